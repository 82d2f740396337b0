use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::rest::Settings;
use store::{Counted, Limits};

use crate::rest_server::RestServer;

async fn set(server: &RestServer, project: &str, quota: Value) -> Value {
    let body = json!({"quota": quota});
    let (status, answer) = server.send(Method::PUT, &format!("/v2.0/quotas/{project}"), Some(&body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["quota"].clone()
}

#[tokio::test]
async fn a_project_has_the_default_limits_until_it_has_its_own() {
    let quotas = Limits::from([(Counted::Port, 500), (Counted::Network, -1)]);
    let server = RestServer::start_with(Settings { quotas, ..Settings::default() }).await;
    let defaults = json!({"network": -1, "subnet": -1, "port": 500, "security_group": -1, "security_group_rule": -1});
    assert_eq!(server.get("/v2.0/quotas/p1").await["quota"], defaults);
    let own = set(&server, "p1", json!({"port": 7, "subnet": "3"})).await;
    assert_eq!((&own["port"], &own["subnet"], &own["network"]), (&json!(7), &json!(3), &json!(-1)));
    assert_eq!(server.get("/v2.0/quotas/p1").await["quota"], own);
    assert_eq!(server.get("/v2.0/quotas/p1/default").await["quota"], defaults);
    assert_eq!(server.get("/v2.0/quotas/p2").await["quota"], defaults);
    let all = server.get("/v2.0/quotas").await["quotas"].clone();
    assert_eq!((all.as_array().unwrap().len(), &all[0]["project_id"], &all[0]["port"]), (1, &json!("p1"), &json!(7)));
    assert_eq!(server.send(Method::DELETE, "/v2.0/quotas/p1", None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(server.get("/v2.0/quotas/p1").await["quota"], defaults);
    server.refused(Method::DELETE, "/v2.0/quotas/p1", None, 404, "TenantQuotaNotFound").await;

    for (quota, kind) in [
        (json!({"network": "x"}), "InvalidInput"),
        (json!({"network": -2}), "HTTPBadRequest"),
        (json!({"network": 1_u64 << 31}), "HTTPBadRequest"),
        (json!({"router": 1}), "HTTPBadRequest"),
    ] {
        let body = Some(json!({"quota": quota}));
        server.refused(Method::PUT, "/v2.0/quotas/p1", body, 400, kind).await;
    }
    server.refused(Method::POST, "/v2.0/quotas", Some(json!({})), 405, "HTTPMethodNotAllowed").await;
}

#[tokio::test]
async fn what_goes_beyond_a_quota_is_refused_whole() {
    let server = RestServer::start().await;
    set(&server, "p1", json!({"network": 1, "subnet": 1, "port": 2, "security_group": 2, "security_group_rule": 8}))
        .await;
    let make = |singular: &'static str, mut body: Value| {
        body["project_id"] = json!("p1");
        let server = &server;
        async move { server.create(singular, body).await["id"].clone() }
    };
    let over = |singular: &'static str, mut body: Value| {
        body["project_id"] = json!("p1");
        let server = &server;
        async move {
            let path = crate::rest_server::collection(singular);
            let message = server.refused(Method::POST, &path, Some(json!({singular: body})), 409, "OverQuota").await;
            assert_eq!(message, format!("Quota exceeded for resources: ['{singular}']."));
        }
    };
    let network = make("network", json!({})).await;
    over("network", json!({})).await;
    // another project is not concerned
    server.create("network", json!({})).await;
    make("subnet", json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"})).await;
    over("subnet", json!({"network_id": network, "ip_version": 4, "cidr": "10.0.1.0/24"})).await;

    // of a bulk all or none, and what is deleted is free again
    let one = json!({"network_id": network, "project_id": "p1"});
    let bulk = Some(json!({"ports": [one, one, one]}));
    server.refused(Method::POST, "/v2.0/ports", bulk, 409, "OverQuota").await;
    assert!(server.ids("ports", "").await.is_empty());
    let first = make("port", json!({"network_id": network})).await;
    make("port", json!({"network_id": network})).await;
    over("port", json!({"network_id": network})).await;
    server.delete("port", &first).await;
    make("port", json!({"network_id": network})).await;

    // the default group is one of two, and has four rules; a group is made with two more
    let group = make("security_group", json!({"name": "a"})).await;
    over("security_group", json!({"name": "b"})).await;
    let rule = |port: u16| {
        json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": port,
            "port_range_max": port})
    };
    make("security_group_rule", rule(1)).await;
    make("security_group_rule", rule(2)).await;
    over("security_group_rule", rule(3)).await;

    let details = server.get("/v2.0/quotas/p1/details.json").await["quota"].clone();
    assert_eq!(details["port"], json!({"limit": 2, "used": 2, "reserved": 0}));
    assert_eq!(details["security_group_rule"], json!({"limit": 8, "used": 8, "reserved": 0}));
    // a lower limit than what is used is taken, unless it is to be checked
    let lower = Some(json!({"quota": {"port": 1, "check_limit": true}}));
    server.refused(Method::PUT, "/v2.0/quotas/p1", lower, 400, "HTTPBadRequest").await;
    assert_eq!(set(&server, "p1", json!({"port": 1})).await["port"], 1);
}
