use serde_json::{Value, json};
use store::{Column, Host, HostUpdate, Write};

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::kind::Kind;
use super::resource::{Refused, Resource};
use super::table::{Attribute, Default, Object, Table, common};
use super::time;

/// Hosts, as the agents on them.
pub(crate) struct Agents;

impl Resource for Agents {
    type Stored = Host;

    const TABLE: Table = Table {
        singular: "agent",
        plural: "agents",
        not_found: "AgentNotFound",
        missing: |id| format!("Agent {id} could not be found."),
        keys: &[],
        lenient: true,
        attributes: &[
            common::ID,
            Attribute::read_only("agent_type", Kind::Text(255)).ordered(Column::Same),
            Attribute::read_only("binary", Kind::Text(255)).ordered(Column::Same),
            Attribute::read_only("topic", Kind::Text(255)).ordered(Column::Same),
            Attribute::read_only("host", Kind::Text(255)).ordered(Column::Name),
            Attribute::writable("admin_state_up", Kind::Bool, Default::True).ordered(Column::AdminStateUp),
            Attribute::read_only("alive", Kind::Bool),
            Attribute::read_only("availability_zone", Kind::Text(255)),
            Attribute::read_only("configurations", Kind::Object),
            Attribute::writable("description", Kind::Text(255), Default::Null).nullable(),
            Attribute::read_only("resources_synced", Kind::Bool),
            Attribute::read_only("created_at", Kind::Text(32)).ordered(Column::CreatedAt),
            Attribute::read_only("started_at", Kind::Text(32)),
            Attribute::read_only("heartbeat_timestamp", Kind::Text(32)),
        ],
    };

    const REFUSED: Refused = Refused { create: &[], update: &[], delete: &[409] };

    async fn create(
        _write: &mut Write<'_>,
        _state: &RestState,
        _context: &Context,
        _objects: Vec<Object>,
    ) -> Result<Vec<Host>> {
        Err(ApiError::bad_request("Agents are made by their hosts: start one and it registers"))
    }

    async fn update(
        write: &mut Write<'_>,
        _state: &RestState,
        _context: &Context,
        host: Host,
        changes: Object,
    ) -> Result<Host> {
        let admin_state_up = changes.get("admin_state_up").and_then(Value::as_bool);
        let description = changes.get("description").map(|text| text.as_str().map(str::to_owned));
        Ok(host.update(write, HostUpdate { admin_state_up, description }).await?)
    }

    /// A host that is enabled again takes the ports that waited for it.
    async fn after_update(state: &RestState, host: &Host) -> Result<()> {
        state.hosts.enable(&host.name, host.admin_state_up);
        if is_alive(state, host) {
            state.store.bind_pending(host.name.clone()).await?;
        }
        Ok(())
    }

    async fn delete(write: &mut Write<'_>, state: &RestState, host: Host) -> Result<()> {
        if is_alive(state, &host) {
            let message = format!("Agent {} on host {} is alive: stop it before deleting it.", host.id, host.name);
            return Err(ApiError::conflict("AgentInUse", message));
        }
        Ok(host.delete(write).await?)
    }

    async fn show(state: &RestState, hosts: Vec<Host>) -> Result<Vec<Object>> {
        Ok(hosts.into_iter().map(|host| show(state, host)).collect())
    }
}

fn is_alive(state: &RestState, host: &Host) -> bool {
    state.hosts.get(&host.name).is_some_and(|known| known.alive)
}

fn show(state: &RestState, host: Host) -> Object {
    let alive = is_alive(state, &host);
    let mut configurations = host.configurations;
    configurations.insert("tunneling_ip".to_owned(), json!(host.endpoint));
    configurations.insert("tunnel_types".to_owned(), json!(host.tunnel_types));
    let object = json!({
        "id": host.id,
        // what clients know such an agent by
        "agent_type": "Open vSwitch agent",
        "binary": "culvert-agent",
        "topic": "N/A",
        "host": host.name,
        "admin_state_up": host.admin_state_up,
        "description": host.description,
        "alive": alive,
        "configurations": configurations,
        "created_at": time::spaced(host.created_at),
        "started_at": time::spaced(host.started_at),
        "heartbeat_timestamp": time::spaced(host.heartbeat_at),
    });
    match object {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}
