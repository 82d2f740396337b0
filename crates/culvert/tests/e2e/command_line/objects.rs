use serde_json::{Value, json};

use super::typed::Typed;
use crate::overlay::Overlay;
use crate::support::TestLab;

/// Every option arrives as the attribute that it stands for, and selects by it.
#[tokio::test]
async fn options_are_attributes_and_filters() {
    let overlay = Overlay::without_agents(TestLab::of_two("options").await).await;
    let culvert = Typed::at(&overlay);

    let n1 = culvert.json("network create n1 --type vxlan --key 1500 --mtu 1400 --description web --disable").await;
    assert_eq!(
        [&n1["name"], &n1["provider:network_type"], &n1["provider:segmentation_id"], &n1["mtu"], &n1["admin_state_up"]],
        [&json!("n1"), &json!("vxlan"), &json!(1500), &json!(1400), &json!(false)]
    );
    culvert.ok("network create n2 --provider-network-type gre --provider-segment 6").await;
    let renamed = culvert.json("network set n1 --name web --enable --mtu 1300").await;
    assert_eq!(
        [&renamed["name"], &renamed["mtu"], &renamed["admin_state_up"]],
        [&json!("web"), &json!(1300), &json!(true)]
    );
    assert_eq!(culvert.ids("network list --type vxlan").await, [n1["id"].as_str().unwrap()]);
    assert_eq!(culvert.ids("network list --key 6 --name n2").await.len(), 1);
    assert_eq!(culvert.ids("network list --disable").await, Vec::<String>::new());

    let s1 = culvert
        .json(
            "subnet create s1 --network web --cidr 198.51.100.0/24 --gateway 198.51.100.254 --no-dhcp \
             --allocation-pool start=198.51.100.10,end=198.51.100.19 --allocation-pool start=198.51.100.30,end=198.51.100.39 \
             --dns-nameserver 192.0.2.53 --dns-nameserver 192.0.2.54 --host-route destination=192.0.2.0/24,gateway=198.51.100.1",
        )
        .await;
    assert_eq!(s1["allocation_pools"][1], json!({"start": "198.51.100.30", "end": "198.51.100.39"}));
    assert_eq!(s1["dns_nameservers"], json!(["192.0.2.53", "192.0.2.54"]));
    assert_eq!(s1["host_routes"], json!([{"destination": "192.0.2.0/24", "nexthop": "198.51.100.1"}]));
    assert_eq!([&s1["ip_version"], &s1["enable_dhcp"]], [&json!(4), &json!(false)]);
    let s2 = culvert.json("subnet create s2 --network web --subnet-range 2001:db8::/64 --no-gateway").await;
    assert_eq!([&s2["ip_version"], &s2["gateway_ip"]], [&json!(6), &Value::Null]);
    let s1 = culvert.json("subnet set s1 --no-dns-nameservers --no-gateway --dhcp").await;
    assert_eq!(
        [&s1["dns_nameservers"], &s1["gateway_ip"], &s1["enable_dhcp"]],
        [&json!([]), &Value::Null, &json!(true)]
    );
    assert_eq!(culvert.ids("subnet list --network web --ip-version 6").await, [s2["id"].as_str().unwrap()]);

    let p1 = culvert
        .json(
            "port create p1 --network web --host compute1 --mac fa:16:3e:00:00:01 --device vm1 --device-owner compute:nova \
             --fixed-ip subnet=s1,ip-address=198.51.100.12 --fixed-ip subnet=s2",
        )
        .await;
    assert_eq!(p1["fixed_ips"][0]["ip_address"], "198.51.100.12");
    assert_eq!(p1["fixed_ips"][1]["subnet_id"], s2["id"]);
    assert_eq!([&p1["binding:host_id"], &p1["mac_address"]], [&json!("compute1"), &json!("fa:16:3e:00:00:01")]);
    culvert.ok("port create p2 --network web --no-fixed-ip").await;
    let id = p1["id"].as_str().unwrap();
    for filter in [
        "--host compute1",
        "--mac fa:16:3e:00:00:01",
        "--device vm1",
        "--fixed-ip ip-address=198.51.100.12",
        "--fixed-ip subnet=s2",
        "--network web --name p1 --status DOWN",
        "--limit 1 --name p1",
    ] {
        assert_eq!(culvert.ids(&format!("port list {filter}")).await, [id], "{filter}");
    }
    assert_eq!(culvert.ids("port list").await.len(), 2);
    assert_eq!(culvert.ids("port list --limit 1").await.len(), 1);
    let p1 = culvert.json(&format!("port set {id} --no-host --no-fixed-ip")).await;
    assert_eq!([&p1["binding:host_id"], &p1["fixed_ips"]], [&json!(""), &json!([])]);
}

/// What is printed is what the API has, and what goes wrong is told as the API tells it, with a status that scripts can go by.
#[tokio::test]
async fn errors_are_plain_and_have_a_status() {
    let overlay = Overlay::without_agents(TestLab::of_two("plain").await).await;
    let culvert = Typed::at(&overlay);
    culvert.ok("network create n1 --type gre --key 6").await;
    culvert.ok("subnet create s1 --network n1 --cidr 198.51.100.0/24").await;
    culvert.ok("port create p1 --network n1 --fixed-ip ip-address=198.51.100.8").await;

    for noun in ["network", "subnet", "port", "host"] {
        let plural = if noun == "host" { "agent" } else { noun };
        let objects = overlay.rest.list(plural, "").await.unwrap();
        assert_eq!(culvert.json(&format!("{noun} list")).await, Value::Array(objects), "{noun}");
    }
    let shown = overlay.rest.list("port", "name=p1").await.unwrap().remove(0);
    assert_eq!(culvert.json("port show p1").await, shown);

    // 2: wrong usage. Nothing is sent.
    for line in [
        "port create p9",
        "port create p9 --network n1 --fixed-ip address=198.51.100.9",
        "port set p1",
        "port set p1 --enable --disable",
        "network create n9 --key six",
        "network liste",
        "host create h9",
    ] {
        culvert.fails(line, 2).await;
    }
    // 3: not there, or not the only one.
    let error = culvert.fails("port show p9", 3).await;
    assert_eq!(error, "error: there is no port p9\nhint: `culvert port list` shows those that there are\n");
    culvert.fails("port show 7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b", 3).await;
    culvert.fails("port create p9 --network n9", 3).await;
    culvert.fails("port list --network n9", 3).await;
    culvert.ok("network create n2").await;
    culvert.ok("network create n2").await;
    let ids = culvert.ids("network list --name n2").await;
    let error = culvert.fails("network set n2 --mtu 1400", 3).await;
    assert!(ids.len() == 2 && ids.iter().all(|id| error.contains(id)), "{error}");
    culvert.ok(&format!("network set {} --mtu 1400", ids[0])).await;
    // A misspelt name deletes nothing.
    culvert.fails("port delete p1 p9", 3).await;
    assert_eq!(culvert.ids("port list --name p1").await.len(), 1);
    // One that is named twice goes once.
    let id = culvert.json("port create p3 --network n1").await["id"].as_str().unwrap().to_owned();
    culvert.ok(&format!("port delete p3 {id} p3")).await;
    assert_eq!(culvert.ids("port list --name p3").await, Vec::<String>::new());
    // 4: refused, in the server's words.
    let error = culvert.fails("network delete n1", 4).await;
    assert!(
        error.contains("There are one or more ports still in use") && error.contains("(NetworkInUse, HTTP 409)"),
        "{error}"
    );
    assert!(error.contains("hint: `culvert port list --network NETWORK` shows its ports"), "{error}");
    let error = culvert.fails("network create n3 --type gre --key 6", 4).await;
    assert!(error.contains("The tunnel ID 6 is in use") && error.contains("leave --key out"), "{error}");
    let error = culvert.fails("network create n3 --type vlan", 4).await;
    assert!(error.contains("hint: --help says what each option takes"), "{error}");
    // Done as asked, and still of no use: what is missing.
    let made = culvert.command("port create p4 --network n1 --host compute9").output().await.unwrap();
    let hint = String::from_utf8(made.stderr).unwrap();
    assert!(made.status.success() && hint.starts_with("hint: host compute9 has no agent"), "{hint}");
    culvert.ok("port delete p4").await;
    let error = culvert.fails("port create p2 --network n1 --fixed-ip ip-address=192.0.2.1", 4).await;
    assert!(error.contains("InvalidIpForNetwork, HTTP 400"), "{error}");
    // 5: nobody there; 1: somebody else there.
    let error = culvert.fails("port list --server http://127.0.0.1:1", 5).await;
    assert!(error.contains("127.0.0.1:1 cannot be reached") && error.contains("hint: "), "{error}");
    culvert.fails("status --socket /nonexistent/server.sock", 5).await;
    let error = culvert.fails("port list --server 127.0.0.1:9696/elsewhere", 1).await;
    assert!(error.contains("/elsewhere the REST API of a Culvert server?"), "{error}");
    assert_eq!(culvert.ids("port list --server 127.0.0.1:9696/v2.0/").await.len(), 1);
    culvert.fails("watch --host compute9", 3).await;
    culvert.fails("wait --port 7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b", 3).await;
}
