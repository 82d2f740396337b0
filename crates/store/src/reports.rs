//! What the hub writes: bindings that a host made possible, which ports are wired, and what status follows.

use std::collections::BTreeMap;

use model::{Change, HostName, PortId, PortStatus};
use sqlx::Row as _;

use crate::types::{Port, PortUpdate, VifType, WiredReport};
use crate::write::{Touched, Write};
use crate::{Result, Store, stored};

impl Store {
    /// Binds the ports that wait for this host (`binding_failed`) and whose segment it serves, if it is enabled: each
    /// gets a new binding generation. Returns their ids.
    pub async fn bind_pending(&self, host: HostName) -> Result<Vec<PortId>> {
        self.write(move |write| Box::pin(async move { bind_pending(write, &host).await })).await
    }

    /// Records which ports are wired. Reports under a generation that is not the port's newest, or of a port that is
    /// not bound or is gone, are ignored and returned. Nothing new: no revision.
    pub async fn set_wired(&self, reports: Vec<WiredReport>) -> Result<Vec<WiredReport>> {
        self.record(reports, Vec::new()).await
    }

    /// Records statuses. A port that is gone is passed over, and so is BUILD or ACTIVE for one that is not bound or is
    /// administratively down, or ACTIVE for one that is not wired: the port has moved on since that was derived.
    pub async fn set_status(&self, statuses: Vec<(PortId, PortStatus)>) -> Result<()> {
        self.record(Vec::new(), statuses).await.map(drop)
    }

    /// [`Store::set_wired`], then [`Store::set_status`], in one transaction.
    pub async fn record(
        &self,
        wired: Vec<WiredReport>,
        statuses: Vec<(PortId, PortStatus)>,
    ) -> Result<Vec<WiredReport>> {
        self.write(move |write| {
            Box::pin(async move {
                let mut stale = Vec::new();
                let mut statuses: BTreeMap<PortId, PortStatus> = statuses.into_iter().collect();
                for report in wired {
                    let status = statuses.remove(&report.port);
                    if !record(write, report.port, Some(report), status).await? {
                        stale.push(report);
                    }
                }
                for (port, status) in statuses {
                    record(write, port, None, Some(status)).await?;
                }
                Ok(stale)
            })
        })
        .await
    }
}

async fn bind_pending(write: &mut Write<'_>, host: &HostName) -> Result<Vec<PortId>> {
    let rows = sqlx::query(
        "SELECT b.port_id, h.tunnel_types, s.tunnel_type FROM bindings b \
         JOIN ports p ON p.id = b.port_id JOIN segments s ON s.network_id = p.network_id JOIN hosts h ON h.name = b.host \
         WHERE b.host = $1 AND b.vif_type = $2 AND h.admin_state_up",
    )
    .bind(host.as_str())
    .bind(VifType::BindingFailed.as_str())
    .fetch_all(write.db())
    .await?;
    let mut bound = Vec::new();
    for row in rows {
        let (served, needed): (String, String) = (row.try_get("tunnel_types")?, row.try_get("tunnel_type")?);
        if served.split(',').any(|tunnel_type| tunnel_type == needed) {
            let port: Port = write.get(row.try_get("port_id")?).await?;
            let update = PortUpdate { host: Some(Some(host.clone())), ..PortUpdate::default() };
            bound.push(port.update(write, update, &|_, _| true).await?.id);
        }
    }
    Ok(bound)
}

/// Takes both to a port at once, the report first. False: the report is stale; a status may hold all the same.
async fn record(
    write: &mut Write<'_>,
    id: PortId,
    report: Option<WiredReport>,
    status: Option<PortStatus>,
) -> Result<bool> {
    let Some(before) = stored::find::<Port>(write.db(), id.0).await? else { return Ok(report.is_none()) };
    let mut after = before.clone();
    let accepted = report.is_none_or(|report| is_possible(&before, report));
    if let Some(report) = report.filter(|_| accepted) {
        after.wired = report.wired;
    }
    if let Some(status) = status.filter(|status| may_be(&after, *status)) {
        after.status = status;
    }
    if (after.wired, after.status) != (before.wired, before.status) {
        save(write, &after);
    }
    Ok(accepted)
}

fn is_possible(port: &Port, report: WiredReport) -> bool {
    port.is_bound() && (port.admin_state_up || !report.wired) && port.generation == report.generation
}

fn may_be(port: &Port, status: PortStatus) -> bool {
    let up = port.admin_state_up && port.is_bound();
    match status {
        PortStatus::Down => true,
        PortStatus::Build => up,
        PortStatus::Active => up && port.wired,
    }
}

fn save(write: &mut Write<'_>, port: &Port) {
    let now = write.now;
    let update = write.last();
    update.push("UPDATE ports SET wired = ").push_bind(port.wired);
    update.push(", status = ").push_bind(port.status.as_str());
    update.push(", updated_at = ").push_bind(now);
    update.push(", revision_number = revision_number + 1 WHERE id = ").push_bind(port.id.0);
    write.touch(Touched::Port(port.id), Some(Change::Port(port.to_model())));
}
