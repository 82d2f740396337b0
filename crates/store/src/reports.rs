//! What the hub writes: bindings that a host made possible, which ports are wired, and what status follows.

use model::{Change, HostName, PortId, PortStatus};
use sqlx::Row as _;

use crate::types::{Port, PortUpdate, VifType, WiredReport};
use crate::write::{Touched, Write};
use crate::{Result, Store, stored};

impl Store {
    /// Binds the ports that wait for this host (`binding_failed`) and whose segment it serves: each gets a new binding
    /// generation. Returns their ids.
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
                for report in wired {
                    if !set_wired(write, report).await? {
                        stale.push(report);
                    }
                }
                for (port, status) in statuses {
                    set_status(write, port, status).await?;
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
         WHERE b.host = $1 AND b.vif_type = $2",
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

/// False: the report is stale.
async fn set_wired(write: &mut Write<'_>, report: WiredReport) -> Result<bool> {
    let Some(port) = stored::find::<Port>(write.db(), report.port.0).await? else { return Ok(false) };
    let possible = port.is_bound() && (port.admin_state_up || !report.wired);
    if !possible || port.generation != report.generation {
        return Ok(false);
    }
    if port.wired != report.wired {
        save(write, &Port { wired: report.wired, ..port }).await?;
    }
    Ok(true)
}

async fn set_status(write: &mut Write<'_>, id: PortId, status: PortStatus) -> Result<()> {
    let Some(port) = stored::find::<Port>(write.db(), id.0).await? else { return Ok(()) };
    let possible = match status {
        PortStatus::Down => true,
        PortStatus::Build => port.admin_state_up && port.is_bound(),
        PortStatus::Active => port.admin_state_up && port.is_bound() && port.wired,
    };
    if possible && port.status != status {
        save(write, &Port { status, ..port }).await?;
    }
    Ok(())
}

async fn save(write: &mut Write<'_>, port: &Port) -> Result<()> {
    let now = write.now;
    sqlx::query(
        "UPDATE ports SET wired = $1, status = $2, updated_at = $3, revision_number = revision_number + 1 WHERE id = $4",
    )
    .bind(port.wired)
    .bind(port.status.as_str())
    .bind(now)
    .bind(port.id.0)
    .execute(write.db())
    .await?;
    write.touch(Touched::Port(port.id), Some(Change::Port(port.to_model())));
    Ok(())
}
