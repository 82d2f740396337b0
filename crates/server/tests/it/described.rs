//! The API's description and what is served, held against each other: every resource, shown, made and changed.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::rest_server::{RestServer, collection, path};

const BINDINGS: &str = "/v2.0/ports/{id}/bindings";

/// A server that has one of everything, and what its description says.
struct Served {
    server: RestServer,
    document: Value,
    /// By singular; all that a creation can say is said.
    objects: Map<String, Value>,
}

impl Served {
    async fn start() -> Served {
        let server = RestServer::start().await;
        server.connect_host("compute1", "10.0.1.31").await;
        server.connect_host("compute2", "10.0.1.39").await;
        let document = server.get("/openapi.json").await;
        let mut objects = Map::new();
        let network = server.create("network", json!({})).await;
        let subnet = json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24",
            "dns_nameservers": ["10.0.0.1"], "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}]});
        objects.insert("subnet".to_owned(), server.create("subnet", subnet).await);
        let port = json!({"network_id": network["id"], "device_owner": "compute:nova", "binding:host_id": "compute1",
            "dns_name": "vm", "allowed_address_pairs": [{"ip_address": "10.0.0.99"}],
            "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}]});
        objects.insert("port".to_owned(), server.create("port", port).await);
        let group = server.create("security_group", json!({"name": "web"})).await;
        let rule = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
            "port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "10.0.0.0/8"});
        objects.insert("security_group_rule".to_owned(), server.create("security_group_rule", rule).await);
        for (singular, made) in [("network", network), ("security_group", group)] {
            objects.insert(singular.to_owned(), server.show(singular, &made["id"]).await);
        }
        objects.insert("agent".to_owned(), server.get("/v2.0/agents").await["agents"][0].clone());
        let limits = json!({"quota": {"port": 500}});
        assert_eq!(server.send(Method::PUT, "/v2.0/quotas/p1", Some(&limits)).await.0, StatusCode::OK);
        for (singular, object) in objects.iter().filter(|(_, object)| object.get("tags").is_some()) {
            // rules have none of their own
            let tag = format!("{}/tags/t", path(singular, &object["id"]));
            let tagged = server.send(Method::PUT, &tag, None).await.0;
            assert_eq!(tagged == StatusCode::CREATED, singular != "security_group_rule", "{tag}");
        }
        Served { server, document, objects }
    }

    /// A path of the description, with what the server has in the place of its parameters.
    fn path(&self, described: &str) -> String {
        let plural = described.split('/').nth(2).unwrap_or_default();
        let found = self.objects.iter().find(|(singular, _)| collection(singular).ends_with(&format!("/{plural}")));
        let id = found.map_or("", |(_, object)| object["id"].as_str().unwrap());
        let path = described.replace("{id}", id).replace("{host}", "compute1").replace("{tag}", "t");
        path.replace("{project}", "p1").replace("{alias}", "binding")
    }

    /// The schema of this body: of a request, or of an answer with a status.
    fn schema(&self, described: &str, method: &str, status: Option<&str>) -> Value {
        let operation = &self.document["paths"][described][method];
        let body = status.map_or(&operation["requestBody"], |status| &operation["responses"][status]);
        body["content"]["application/json"]["schema"].clone()
    }

    fn resolve<'d>(&'d self, schema: &'d Value) -> &'d Value {
        let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/"));
        name.and_then(|name| self.document.pointer(&format!("/{name}"))).unwrap_or(schema)
    }

    /// The members of the schema called so that a body may have.
    fn properties(&self, name: &str) -> Vec<String> {
        let properties = self.document["components"]["schemas"][name]["properties"].as_object();
        properties.unwrap_or_else(|| panic!("{name} is not described")).keys().cloned().collect()
    }

    /// Where the members of a value are not those that its schema names, and lists that show nothing.
    fn differences(&self, place: &str, schema: &Value, value: &Value) -> Vec<String> {
        let schema = self.resolve(schema);
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[choice].as_array() {
                let each = choices.iter().map(|schema| self.differences(place, schema, value));
                return each.min_by_key(Vec::len).unwrap_or_default();
            }
        }
        if let (Some(named), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
            // links are of pages only
            let missing = named.keys().filter(|name| !object.contains_key(*name) && !name.ends_with("_links"));
            let missing = missing.map(|name| format!("{place}.{name}: described, not shown"));
            let other = object.keys().filter(|name| !named.contains_key(*name));
            let other = other.map(|name| format!("{place}.{name}: shown, not described"));
            let both = object.iter().filter_map(|(name, value)| Some((name, named.get(name)?, value)));
            let inside =
                both.flat_map(|(name, schema, value)| self.differences(&format!("{place}.{name}"), schema, value));
            return missing.chain(other).chain(inside).collect();
        }
        let items = value.as_array().into_iter().flatten();
        items.flat_map(|item| self.differences(place, &schema["items"], item)).collect()
    }
}

#[tokio::test]
async fn what_is_shown_is_what_is_described() {
    let served = Served::start().await;
    let mut shown = 0;
    for (described, methods) in served.document["paths"].as_object().unwrap() {
        let schema = served.schema(described, "get", Some("200"));
        // a tag has no body; and this document is not described in itself
        if methods.get("get").is_none() || schema.is_null() || described == "/openapi.json" {
            continue;
        }
        let answer = served.server.get(&served.path(described)).await;
        let differences = served.differences(described, &schema, &answer);
        assert!(differences.is_empty(), "{differences:#?}: {answer}");
        let list = answer.as_object().and_then(|members| members.values().next());
        assert!(list.and_then(Value::as_array).is_none_or(|list| !list.is_empty()), "{described}: {answer}");
        shown += 1;
    }
    assert!(shown > 25, "{shown}");
    // and it would be seen
    let schema = served.schema("/v2.0/ports/{id}", "get", Some("200"));
    let mut port = json!({"port": served.objects["port"]});
    port["port"]["fixed_ips"][0]["foo"] = json!(1);
    port["port"].as_object_mut().unwrap().remove("name");
    assert_eq!(
        served.differences("x", &schema, &port),
        ["x.port.name: described, not shown", "x.port.fixed_ips.foo: shown, not described"]
    );
}

/// Values that no two objects may have, and others that would be in the way.
fn another(singular: &str) -> Value {
    match singular {
        "network" => json!({"provider:segmentation_id": 77}),
        "subnet" => json!({"cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.1", "host_routes": [],
            "allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}]}),
        "port" => json!({"mac_address": "02:00:00:00:00:77", "fixed_ips": []}),
        "security_group_rule" => json!({"protocol": "udp"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn what_is_described_can_be_said() {
    let served = Served::start().await;
    let server = &served.server;
    for (singular, object) in &served.objects {
        let words = singular.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        let schema: String = words.collect();
        let body = |kind: &str, other: &Value| {
            let said = served.properties(&format!("{schema}{kind}"));
            let value = |name: &String| other.get(name).unwrap_or(&object[name]).clone();
            json!({singular: said.iter().map(|name| (name.clone(), value(name))).collect::<Map<_, _>>()})
        };
        let (collection, member) = (collection(singular), path(singular, &object["id"]));
        // nobody makes an agent
        if singular != "agent" {
            let (status, answer) =
                server.send(Method::POST, &collection, Some(&body("Create", &another(singular)))).await;
            assert_eq!(status, StatusCode::CREATED, "{singular}: {answer}");
        }
        let (status, answer) = server.send(Method::PUT, &member, Some(&body("Update", &json!({})))).await;
        assert_eq!(status, StatusCode::OK, "{singular}: {answer}");
    }
    let binding = json!({"host": "compute2", "project_id": "p1", "vnic_type": "normal", "profile": {"a": 1}});
    for (method, described, kind) in
        [(Method::POST, BINDINGS.to_owned(), "Create"), (Method::PUT, format!("{BINDINGS}/{{host}}"), "Update")]
    {
        let said = served.properties(&format!("Binding{kind}"));
        let said: Map<String, Value> = said.into_iter().map(|name| (name.clone(), binding[&name].clone())).collect();
        let path = served.path(&described).replace("compute1", "compute2");
        let (status, answer) = server.send(method, &path, Some(&json!({"binding": said}))).await;
        assert!(status.is_success(), "{path}: {answer}");
    }
}

#[tokio::test]
async fn no_schema_is_of_nothing() {
    let served = Served::start().await;
    let text = served.document.to_string();
    for name in served.document["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("\"#/components/schemas/{name}\"");
        assert!(text.contains(&reference), "nothing refers to {name}");
    }
    assert_eq!(
        (&served.document["openapi"], &served.document["servers"][0]["url"]),
        (&json!("3.1.0"), &json!(served.server.url))
    );
}
