//! The real `openstack` client and openstacksdk, as people and programs use them.

use axum::Json;
use axum::extract::Path;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::rest_server::RestServer;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/openstack-client");
const CLI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openstack_cli.py");
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openstack_sdk.py");

/// The client, taking one command after another.
struct Openstack {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _client: Child,
}

#[derive(Deserialize)]
struct Answer {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl Openstack {
    fn start(server: &RestServer) -> Openstack {
        Openstack::of(python(server, CLI))
    }

    /// With Keystone at this address: what takes a project's name looks it up there.
    fn start_with_keystone(server: &RestServer, keystone: &str) -> Openstack {
        let mut client = python(server, CLI);
        client.env("OS_IDENTITY_API_VERSION", "3").env("OS_IDENTITY_ENDPOINT_OVERRIDE", format!("{keystone}/v3"));
        Openstack::of(client)
    }

    fn of(mut client: Command) -> Openstack {
        let mut client = client.spawn().unwrap();
        let answers = BufReader::new(client.stdout.take().unwrap()).lines();
        Openstack { commands: client.stdin.take().unwrap(), answers, _client: client }
    }

    async fn run(&mut self, command: &str) -> Answer {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        serde_json::from_str(&self.answers.next_line().await.unwrap().unwrap()).unwrap()
    }

    /// A command that succeeds.
    async fn does(&mut self, command: &str) -> String {
        let Answer { exit, stdout, stderr } = self.run(command).await;
        assert_eq!(exit, 0, "openstack {command}: {stdout}{stderr}");
        stdout
    }

    async fn says(&mut self, command: &str) -> Value {
        serde_json::from_str(&self.does(&format!("{command} -f json")).await).unwrap()
    }

    /// A command that the server refuses: what the client says of it.
    async fn is_refused(&mut self, command: &str) -> String {
        let Answer { exit, stderr, .. } = self.run(command).await;
        assert_ne!(exit, 0, "openstack {command} succeeded");
        stderr
    }
}

fn python(server: &RestServer, program: &str) -> Command {
    let mut command = Command::new(SCRIPT);
    command.args(["--python", program]).env("OS_ENDPOINT", &server.url);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_openstack_client_makes_changes_and_deletes_a_network() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    server.connect_host("compute2", "10.0.1.39").await;

    let mut openstack = Openstack::start(&server);

    let network = openstack.says("network create --provider-network-type gre n1").await;
    assert_eq!((&network["provider:network_type"], &network["mtu"]), (&json!("gre"), &json!(1458)));
    let subnet = "subnet create --network n1 --subnet-range 81.1.180.0/24 --gateway 81.1.180.1 --no-dhcp \
                  --allocation-pool start=81.1.180.2,end=81.1.180.100 s1";
    assert_eq!(openstack.says(subnet).await["enable_dhcp"], false);

    let port = "port create --network n1 --fixed-ip ip-address=81.1.180.8 --host compute1 --device vm-1 \
                --device-owner compute:nova p1";
    let port = openstack.says(port).await;
    assert_eq!((&port["binding_vif_type"], &port["status"]), (&json!("ovs"), &json!("DOWN")));
    openstack.does("port set --host compute2 --disable --name p2 p1").await;
    openstack.does("port set --no-fixed-ip --fixed-ip ip-address=81.1.180.18 p2").await;
    let shown = openstack.says("port show p2").await;
    assert_eq!((&shown["admin_state_up"], &shown["binding_host_id"]), (&json!(false), &json!("compute2")));
    assert_eq!(shown["fixed_ips"][0]["ip_address"], "81.1.180.18");
    let listed = openstack.says("port list --network n1 --host compute2").await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["Name"]), (1, &json!("p2")));

    openstack.does("network set --name n2 --mtu 1400 n1").await;
    openstack.does("subnet set --dns-nameserver 9.9.9.9 s1").await;
    let subnets = openstack.says("subnet list --network n2").await;
    assert_eq!((&subnets[0]["Name"], &subnets[0]["Subnet"]), (&json!("s1"), &json!("81.1.180.0/24")));
    let subnet = openstack.says("subnet show s1").await;
    assert_eq!((&subnet["id"], &subnet["dns_nameservers"]), (&subnets[0]["ID"], &json!(["9.9.9.9"])));
    assert_eq!(subnet["allocation_pools"], json!([{"start": "81.1.180.2", "end": "81.1.180.100"}]));
    let networks = openstack.says("network list --long").await;
    assert_eq!((&networks[0]["Name"], &networks[0]["Network Type"]), (&json!("n2"), &json!("gre")));
    let agents = openstack.says("network agent list").await;
    assert_eq!((agents.as_array().unwrap().len(), &agents[0]["Alive"]), (2, &json!(true)));

    let said = openstack.is_refused("network create --provider-network-type bogus bad").await;
    assert!(said.contains("network_type value 'bogus' not supported"), "{said}");
    let said = openstack.is_refused("network delete n2").await;
    assert!(said.contains("There are one or more ports still in use on the network"), "{said}");
    let said = openstack.is_refused("port show nobody").await;
    assert!(said.contains("No Port found for nobody"), "{said}");

    openstack.does("port delete p2").await;
    openstack.does("subnet delete s1").await;
    openstack.does("network delete n2").await;
    assert_eq!(openstack.says("network list").await, json!([]));
}

#[tokio::test]
async fn the_openstack_client_deletes_the_agent_of_a_lost_host() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    server.connect_host("compute2", "10.0.1.39").await;
    let mut openstack = Openstack::start(&server);

    let agents = openstack.says("network agent list --host compute2").await;
    let id = agents[0]["ID"].as_str().unwrap();
    let agent = openstack.says(&format!("network agent show {id}")).await;
    assert_eq!((&agent["host"], &agent["alive"]), (&json!("compute2"), &json!(true)));
    assert_eq!(agent["configuration"]["tunneling_ip"], "10.0.1.39");
    let said = openstack.is_refused(&format!("network agent delete {id}")).await;
    assert!(said.contains("on host compute2 is alive: stop it before deleting it"), "{said}");

    server.lose_host("compute2");
    assert_eq!(openstack.says(&format!("network agent show {id}")).await["alive"], false);
    openstack.does(&format!("network agent delete {id}")).await;
    let agents = openstack.says("network agent list").await;
    assert_eq!((agents.as_array().unwrap().len(), &agents[0]["Host"]), (1, &json!("compute1")));
    let said = openstack.is_refused(&format!("network agent show {id}")).await;
    assert!(said.contains(id), "{said}");
}

#[tokio::test]
async fn the_openstack_client_manages_security_groups_tags_and_zones() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    let mut openstack = Openstack::start(&server);

    let group = openstack.says("security group create --description w web").await;
    assert_eq!((&group["name"], &group["stateful"]), (&json!("web"), &json!(true)));
    let rule = "security group rule create --protocol tcp --dst-port 80 --remote-ip 10.0.0.0/8 web";
    let rule = openstack.says(rule).await;
    assert_eq!((&rule["protocol"], &rule["port_range_min"]), (&json!("tcp"), &json!(80)));
    let rules = openstack.says("security group rule list --ingress web").await;
    assert_eq!((rules.as_array().unwrap().len(), &rules[0]["IP Range"]), (1, &json!("10.0.0.0/8")));
    let groups = openstack.says("security group list").await;
    let mut names: Vec<&str> = groups.as_array().unwrap().iter().map(|group| group["Name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["default", "web"]);

    openstack.does("network create --tag red n1").await;
    openstack.does("network set --tag blue n1").await;
    assert_eq!(openstack.says("network show n1").await["tags"], json!(["blue", "red"]));
    assert_eq!(openstack.says("network list --tags red,blue").await.as_array().unwrap().len(), 1);
    assert_eq!(openstack.says("network list --not-any-tags red").await, json!([]));
    let port = openstack.says("port create --network n1 --security-group web --tag red p1").await;
    assert_eq!((&port["security_group_ids"], &port["tags"]), (&json!([group["id"]]), &json!(["red"])));
    openstack.does("port set --no-security-group --disable-port-security p1").await;
    assert_eq!(openstack.says("port show p1").await["port_security_enabled"], json!(false));
    openstack.does("security group delete web").await;

    let extensions = openstack.says("extension list --network").await;
    assert!(extensions.as_array().unwrap().iter().any(|extension| extension["Alias"] == "binding-extended"));
    let zones = openstack.says("availability zone list --network").await;
    assert_eq!((zones.as_array().unwrap().len(), &zones[0]["Zone Name"]), (1, &json!("nova")));
    let agents = openstack.says("network agent list --host compute1").await;
    openstack
        .does(&format!("network agent set --disable --description rack {}", agents[0]["ID"].as_str().unwrap()))
        .await;
    let agents = openstack.says("network agent list --host compute1").await;
    assert_eq!(agents[0]["State"], json!(false));
}

#[tokio::test]
async fn the_openstack_client_sets_quotas_and_finds_what_is_listed_and_only_that() {
    let server = RestServer::start().await;
    let mut openstack = Openstack::start_with_keystone(&server, &keystone().await);

    openstack.does("quota set --networks 1 --ports 7 demo").await;
    let quota = openstack.says("quota show --network demo").await;
    let limit = |name: &str| -> Value {
        let found = quota.as_array().unwrap().iter().find(|limit| limit["Resource"] == name);
        found.unwrap()["Limit"].clone()
    };
    assert_eq!([limit("networks"), limit("ports"), limit("subnets")], [json!(1), json!(7), json!(-1)]);
    let quotas = openstack.says("quota list --network").await;
    assert_eq!((&quotas[0]["Project ID"], &quotas[0]["Networks"]), (&json!("demo"), &json!(1)));
    openstack.does("network create --project demo n1").await;
    let said = openstack.is_refused("network create --project demo n2").await;
    assert!(said.contains("Quota exceeded for resources: ['network']"), "{said}");
    openstack.does("quota delete --network demo").await;
    openstack.does("network create --project demo --dns-domain example.com. n2").await;
    let groups = openstack.says("security group list --project demo").await;
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["Name"]), (1, &json!("default")));

    // ports by their addresses
    openstack.does("subnet create --network n1 --subnet-range 10.9.0.0/24 s1").await;
    openstack.does("port create --network n1 --fixed-ip ip-address=10.9.0.77 --dns-name Web p1").await;
    openstack.does("port create --network n1 --fixed-ip ip-address=10.9.0.8 p2").await;
    for (filter, names) in [
        ("--fixed-ip ip-address=10.9.0.77", &["p1"][..]),
        ("--fixed-ip subnet=s1", &["p1", "p2"]),
        ("--fixed-ip ip-substring=0.77", &["p1"]),
        ("--fixed-ip ip-address=10.9.0.99", &[]),
    ] {
        let ports = openstack.says(&format!("port list {filter} --sort-column Name")).await;
        let found: Vec<&str> = ports.as_array().unwrap().iter().map(|port| port["Name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{filter}");
    }
    let port = openstack.says("port show p1").await;
    assert_eq!(port["dns_assignment"][0]["fqdn"], "web.openstacklocal.");

    // what is listed can be shown, and what is not is not there
    let listed = openstack.says("extension list --network").await;
    let aliases: Vec<&str> =
        listed.as_array().unwrap().iter().map(|extension| extension["Alias"].as_str().unwrap()).collect();
    for alias in ["dns-integration", "binding-extended", "quotas"] {
        assert!(aliases.contains(&alias), "{aliases:?}");
        assert_eq!(openstack.says(&format!("extension show {alias}")).await["alias"], alias);
    }
    for (alias, command) in [
        ("address-group", "address group list"),
        ("address-scope", "address scope list"),
        ("network-ip-availability", "ip availability list"),
        ("subnet_allocation", "subnet pool list"),
        ("router", "router list"),
    ] {
        assert!(!aliases.contains(&alias));
        let said = openstack.is_refused(command).await;
        assert!(said.contains("The resource could not be found"), "{command}: {said}");
    }
}

/// As much of Keystone as the client asks for: every project is there, its id is its name. Returns its address.
async fn keystone() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let link = json!({"rel": "self", "href": format!("{address}/v3/")});
    let versions = json!({"versions": {"values": [{"id": "v3.14", "status": "stable", "links": [link]}]}});
    let app = axum::Router::new()
        .route("/v3/projects", get(async || Json(json!({"projects": [{"id": "demo", "name": "demo"}]}))))
        .route(
            "/v3/projects/{id}",
            get(async |Path(id): Path<String>| Json(json!({"project": {"id": id, "name": id}}))),
        )
        .fallback(async move || Json(versions));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn openstacksdk_makes_changes_and_deletes_a_network() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    server.connect_host("compute2", "10.0.1.39").await;
    let output = python(&server, SDK).output().await.unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && stdout.ends_with("ok\n"), "{stdout}{stderr}");
}
