use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Who asks. There are no tokens yet, so everybody is an administrator, as with Neutron's `noauth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    /// Whose what he makes will be.
    pub(crate) project_id: String,
    pub(crate) is_admin: bool,
}

impl Context {
    pub(crate) fn without_token() -> Context {
        Context { project_id: "fake_project_id".to_owned(), is_admin: true }
    }
}

/// The one place where a request says who asks: what has looked at its token has left that with it.
impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Context, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Context::without_token))
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use axum::middleware::map_request;
    use reqwest::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::hosts::Hosts;
    use crate::rest::{RestState, Settings, router};

    const PROJECT: &str = "x-member-of";

    /// As what looks at tokens will: who is a member of a project is no administrator.
    async fn say_who(mut request: Request) -> Request {
        let project = request.headers().get(PROJECT).map(|project| project.to_str().unwrap().to_owned());
        if let Some(project_id) = project {
            request.extensions_mut().insert(Context { project_id, is_admin: false });
        }
        request
    }

    #[tokio::test]
    async fn a_member_has_to_do_with_what_is_his_projects_or_shared() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::Store::open(&directory.path().join("culvert.db")).await.unwrap();
        let state = RestState { store, hosts: Hosts::default(), settings: Settings::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v2.0", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router(state).layer(map_request(say_who))).await });
        let client = reqwest::Client::new();
        let ask = async |member: bool, method: Method, path: String, body: Option<Value>| {
            let mut request = client.request(method, format!("{url}/{path}"));
            if member {
                request = request.header(PROJECT, "p1");
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
        };
        let mut networks = Vec::new();
        for (name, project, shared) in [("own", "p1", false), ("other", "p2", false), ("for all", "p2", true)] {
            let body = json!({"network": {"name": name, "project_id": project, "shared": shared}});
            let (status, made) = ask(false, Method::POST, "networks".to_owned(), Some(body)).await;
            assert_eq!(status, 201, "{made}");
            networks.push((name, made["network"]["id"].as_str().unwrap().to_owned()));
        }
        for (query, all, seen) in [
            ("", vec!["own", "other", "for all"], vec!["own", "for all"]),
            ("?project_id=p2", vec!["other", "for all"], vec!["for all"]),
            ("?limit=1&sort_key=name&sort_dir=desc", vec!["own"], vec!["own"]),
        ] {
            for (member, expected) in [(false, all), (true, seen)] {
                let (_, list) = ask(member, Method::GET, format!("networks{query}"), None).await;
                let mut names: Vec<_> =
                    list["networks"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
                names.sort_by_key(|name| networks.iter().position(|(of, _)| of == name));
                assert_eq!(names, expected, "{query}, a member: {member}");
            }
        }
        let change = json!({"network": {"name": "changed"}});
        for ((name, id), (show, update, delete)) in
            networks.iter().zip([(200, 200, 204), (404, 404, 404), (200, 404, 404)])
        {
            let path = format!("networks/{id}");
            for (method, body, expected) in
                [(Method::GET, None, show), (Method::PUT, Some(change.clone()), update), (Method::DELETE, None, delete)]
            {
                let (status, answer) = ask(true, method.clone(), path.clone(), body).await;
                assert_eq!(status, expected, "{method} {name}: {answer}");
            }
            // nothing of what was refused has happened, and it is the asker who is refused
            let (status, there) = ask(false, Method::GET, path.clone(), None).await;
            assert_eq!((status == 200, there["network"]["name"] == *name), (delete == 404, delete == 404), "{name}");
            let (status, _) = ask(false, Method::PUT, path, Some(change.clone())).await;
            assert_eq!(status == 200, delete == 404, "{name}");
        }
    }
}
