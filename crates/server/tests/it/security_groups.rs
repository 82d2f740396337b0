use reqwest::Method;
use serde_json::{Value, json};

use crate::rest_server::{RestServer, collection, path};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

async fn network(server: &RestServer, body: Value) -> Value {
    let network = server.create("network", body).await["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    server.create("subnet", subnet).await;
    network
}

async fn default_group(server: &RestServer) -> Value {
    let answer = server.get("/v2.0/security-groups?name=default").await;
    let groups = answer["security_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{answer}");
    groups[0].clone()
}

#[tokio::test]
async fn every_project_has_a_default_group_whose_members_hear_each_other() {
    let server = RestServer::start().await;
    let group = default_group(&server).await;
    assert_eq!((&group["description"], &group["stateful"]), (&json!("Default security group"), &json!(true)));
    let mut rules: Vec<(&str, &str, &Value)> = Vec::new();
    for rule in group["security_group_rules"].as_array().unwrap() {
        assert_eq!(rule["security_group_id"], group["id"]);
        rules.push((
            rule["direction"].as_str().unwrap(),
            rule["ethertype"].as_str().unwrap(),
            &rule["remote_group_id"],
        ));
    }
    rules.sort_by_key(|(direction, ethertype, _)| (*direction, *ethertype));
    let (itself, any) = (&group["id"], &Value::Null);
    let wanted =
        [("egress", "IPv4", any), ("egress", "IPv6", any), ("ingress", "IPv4", itself), ("ingress", "IPv6", itself)];
    assert_eq!(rules, wanted);
    assert_eq!(default_group(&server).await, group, "looking again makes no other");

    // another project gets its own, when a port of it is made
    let network = network(&server, json!({})).await;
    let port = server.create("port", json!({"network_id": network, "project_id": "other"})).await;
    let theirs = server.show("security_group", &port["security_groups"][0]).await;
    assert_eq!((&theirs["name"], &theirs["project_id"]), (&json!("default"), &json!("other")));
    assert_ne!(theirs["id"], group["id"]);

    let default = path("security_group", &group["id"]);
    let rename = |name: &str| Some(json!({"security_group": {"name": name}}));
    server.refused(Method::PUT, &default, rename("mine"), 409, "SecurityGroupCannotUpdateDefault").await;
    let path = collection("security_group");
    server.refused(Method::POST, &path, rename("Default"), 409, "SecurityGroupDefaultAlreadyExists").await;
}

#[tokio::test]
async fn ports_are_in_the_groups_they_name_and_keep_them_from_being_deleted() {
    let server = RestServer::start().await;
    let network = network(&server, json!({})).await;
    let default = default_group(&server).await["id"].clone();
    let web = server.create("security_group", json!({"name": "web"})).await["id"].clone();

    let port = server.create("port", json!({"network_id": network})).await;
    assert_eq!(port["security_groups"], json!([default]));
    let none = server.create("port", json!({"network_id": network, "security_groups": []})).await;
    assert_eq!((&none["security_groups"], &none["port_security_enabled"]), (&json!([]), &json!(true)));
    let open = server.create("port", json!({"network_id": network, "port_security_enabled": false})).await;
    assert_eq!(open["security_groups"], json!([]));
    let dhcp = server.create("port", json!({"network_id": network, "device_owner": "network:dhcp"})).await;
    assert_eq!((&dhcp["security_groups"], &dhcp["port_security_enabled"]), (&json!([]), &json!(false)));

    let both = server.update("port", &port["id"], json!({"security_groups": [web, default]})).await;
    assert_eq!(both["security_groups"], json!([web, default]));
    assert_eq!(
        json!(server.ids("ports", &format!("security_groups={}", web.as_str().unwrap())).await),
        json!([port["id"]])
    );
    let group = path("security_group", &web);
    server.refused(Method::DELETE, &group, None, 409, "SecurityGroupInUse").await;
    let stateless = Some(json!({"security_group": {"stateful": false}}));
    server.refused(Method::PUT, &group, stateless, 409, "SecurityGroupInUse").await;
    server.update("port", &port["id"], json!({"security_groups": [default]})).await;
    server.update("security_group", &web, json!({"stateful": false})).await;

    // what does not exist, and what cannot be together
    let put = |body: Value| Some(json!({"port": body}));
    let path = path("port", &port["id"]);
    let unknown = put(json!({"security_groups": [NOBODY]}));
    let message = server.refused(Method::PUT, &path, unknown, 404, "SecurityGroupNotFound").await;
    assert_eq!(message, format!("Security group {NOBODY} does not exist"));
    let mixed = put(json!({"security_groups": [default, web]}));
    server.refused(Method::PUT, &path, mixed, 409, "SecurityGroupConflict").await;
    // a group needs port security, and port security cannot go while there is a group
    let off = put(json!({"port_security_enabled": false}));
    server.refused(Method::PUT, &path, off, 409, "PortSecurityPortHasSecurityGroup").await;
    let off = put(json!({"port_security_enabled": false, "security_groups": [default]}));
    server.refused(Method::PUT, &path, off, 400, "PortSecurityAndIPRequiredForSecurityGroups").await;
    assert_eq!(server.show("port", &port["id"]).await["security_groups"], json!([default]));
    let off = json!({"port_security_enabled": false, "security_groups": []});
    server.update("port", &port["id"], off).await;

    // a port that goes gives its groups free
    let member = server.create("port", json!({"network_id": network, "security_groups": [web]})).await;
    server.refused(Method::DELETE, &group, None, 409, "SecurityGroupInUse").await;
    server.delete("port", &member["id"]).await;
    server.delete("security_group", &web).await;
    server.refused(Method::GET, &group, None, 404, "SecurityGroupNotFound").await;
    server.store.check_integrity().await.unwrap();
}

#[tokio::test]
async fn a_network_says_whether_its_ports_are_secured() {
    let server = RestServer::start().await;
    let network = network(&server, json!({"port_security_enabled": false})).await;
    let port = server.create("port", json!({"network_id": network})).await;
    assert_eq!((&port["port_security_enabled"], &port["security_groups"]), (&json!(false), &json!([])));
    let pair = json!([{"ip_address": "10.0.0.99"}]);
    let body = Some(json!({"port": {"network_id": network, "allowed_address_pairs": pair}}));
    server.refused(Method::POST, "/v2.0/ports", body, 409, "AddressPairAndPortSecurityRequired").await;
    let body = json!({"network_id": network, "port_security_enabled": true, "allowed_address_pairs": pair});
    let secured = server.create("port", body).await;
    assert_eq!(secured["security_groups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rules_are_normalized_and_said_once() {
    let server = RestServer::start().await;
    let group = server.create("security_group", json!({"name": "web"})).await;
    let (id, before) = (group["id"].clone(), group["revision_number"].as_i64().unwrap());
    assert_eq!(group["security_group_rules"].as_array().unwrap().len(), 2, "everything out");
    let rule = |extra: Value| {
        let mut body = json!({"security_group_id": id, "direction": "ingress"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let ssh = rule(json!({"protocol": "TCP", "port_range_min": "22", "port_range_max": 22, "ethertype": "ipv4"}));
    let ssh = server.create("security_group_rule", ssh).await;
    assert_eq!(
        (&ssh["protocol"], &ssh["port_range_min"], &ssh["ethertype"]),
        (&json!("tcp"), &json!(22), &json!("IPv4"))
    );
    assert_eq!((&ssh["revision_number"], &ssh["description"]), (&json!(0), &json!("")));
    let shown = server.show("security_group", &id).await;
    assert_eq!(shown["revision_number"], before + 1);
    assert!(shown["security_group_rules"].as_array().unwrap().contains(&ssh));
    let query = format!("security_group_id={}&direction=ingress", id.as_str().unwrap());
    let listed = server.ids("security_group_rules", &query).await;
    assert_eq!(json!(listed), json!([ssh["id"]]));

    let from = server.create("security_group_rule", rule(json!({"remote_ip_prefix": "10.1.2.3/8"}))).await;
    assert_eq!((&from["remote_ip_prefix"], &from["normalized_cidr"]), (&json!("10.1.2.3/8"), &json!("10.0.0.0/8")));
    let host = server.create("security_group_rule", rule(json!({"remote_ip_prefix": "10.1.2.3"}))).await;
    assert_eq!(host["remote_ip_prefix"], "10.1.2.3/32");
    let icmp = server.create("security_group_rule", rule(json!({"protocol": "icmp", "ethertype": "IPv6"}))).await;
    assert_eq!(icmp["protocol"], "ipv6-icmp");
    let all = json!({"protocol": "udp", "port_range_min": 1, "port_range_max": 65535});
    let all = server.create("security_group_rule", rule(all)).await;
    assert_eq!((&all["port_range_min"], &all["port_range_max"]), (&Value::Null, &Value::Null));

    // the same in other words
    let rules = collection("security_group_rule");
    let again =
        rule(json!({"protocol": 6, "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"}));
    let body = Some(json!({"security_group_rule": again}));
    let message = server.refused(Method::POST, &rules, body, 409, "SecurityGroupRuleExists").await;
    assert_eq!(message, format!("Security group rule already exists. Rule id is {}.", ssh["id"].as_str().unwrap()));
    server.delete("security_group_rule", &ssh["id"]).await;
    server.create("security_group_rule", again).await;
    server.refused(Method::GET, &path("security_group_rule", &ssh["id"]), None, 404, "SecurityGroupRuleNotFound").await;
    let change = Some(json!({"security_group_rule": {"protocol": "udp"}}));
    server.refused(Method::PUT, &path("security_group_rule", &from["id"]), change, 400, "HTTPBadRequest").await;

    // a group that other rules name goes, and takes them along
    let other = server.create("security_group", json!({"name": "other"})).await["id"].clone();
    let named = server.create("security_group_rule", rule(json!({"remote_group_id": other}))).await;
    server.delete("security_group", &other).await;
    server
        .refused(Method::GET, &path("security_group_rule", &named["id"]), None, 404, "SecurityGroupRuleNotFound")
        .await;
}

#[tokio::test]
async fn rules_that_make_no_sense_get_neutrons_errors() {
    let server = RestServer::start().await;
    let group = server.create("security_group", json!({})).await["id"].clone();
    for (extra, status, kind) in [
        (json!({"protocol": "nonsense"}), 400, "SecurityGroupRuleInvalidProtocol"),
        (json!({"protocol": 256}), 400, "SecurityGroupRuleInvalidProtocol"),
        (json!({"protocol": ["tcp"]}), 400, "SecurityGroupRuleInvalidProtocol"),
        (json!({"ethertype": "IPv5"}), 400, "SecurityGroupRuleInvalidEtherType"),
        (json!({"port_range_min": 1}), 400, "SecurityGroupProtocolRequiredWithPorts"),
        (json!({"protocol": "tcp", "port_range_min": 70000}), 400, "SecurityGroupInvalidPortValue"),
        (json!({"protocol": "tcp", "port_range_min": 0, "port_range_max": 5}), 400, "SecurityGroupInvalidPortValue"),
        (json!({"protocol": "tcp", "port_range_min": 5, "port_range_max": 4}), 400, "SecurityGroupInvalidPortRange"),
        (json!({"protocol": "tcp", "port_range_min": 5}), 400, "SecurityGroupInvalidPortRange"),
        (json!({"protocol": "icmp", "port_range_min": 256}), 400, "SecurityGroupInvalidIcmpValue"),
        (json!({"protocol": "icmp", "port_range_max": 0}), 400, "SecurityGroupMissingIcmpType"),
        (
            json!({"protocol": "gre", "port_range_min": 1, "port_range_max": 2}),
            400,
            "SecurityGroupInvalidProtocolForPort",
        ),
        (json!({"protocol": "ipv6-icmp"}), 400, "SecurityGroupEthertypeConflictWithProtocol"),
        (json!({"remote_ip_prefix": "10.0.0.0/33"}), 400, "InvalidCIDR"),
        (json!({"remote_ip_prefix": "2001:db8::/32"}), 400, "SecurityGroupRuleParameterConflict"),
        (
            json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": group}),
            400,
            "SecurityGroupMultipleRemoteEntites",
        ),
        (json!({"remote_group_id": NOBODY}), 404, "SecurityGroupNotFound"),
        (json!({"security_group_id": NOBODY}), 404, "SecurityGroupNotFound"),
        (json!({"direction": "sideways"}), 400, "HTTPBadRequest"),
    ] {
        let mut body = json!({"security_group_id": group, "direction": "ingress"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let body = Some(json!({"security_group_rule": body}));
        server.refused(Method::POST, &collection("security_group_rule"), body, status, kind).await;
    }
    // one bad of many: none is made
    let rule = |port: u16| json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": port, "port_range_max": 9});
    let bulk = Some(json!({"security_group_rules": [rule(1), rule(10)]}));
    server.refused(Method::POST, &collection("security_group_rule"), bulk, 400, "SecurityGroupInvalidPortRange").await;
    let shown = server.show("security_group", &group).await;
    assert_eq!(shown["security_group_rules"].as_array().unwrap().len(), 2);
}
