//! What the hub writes: bindings that a host made possible, which ports are wired, and what status follows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::{Change, HostName, PortId, PortStatus};
use sqlx::Row as _;

use crate::batch::{self, Batch};
use crate::filter::{Column, Filter};
use crate::types::{Port, PortUpdate, VifType, WiredReport};
use crate::write::{Touched, Write};
use crate::{Result, Store, ports};

/// Ports that are in memory together while reports of them are recorded.
const AT_ONCE: usize = 1000;

impl Store {
    /// Binds the ports that wait for this host (`binding_failed`) and whose segment it serves, if it is enabled: each
    /// gets a new binding generation. Returns their ids.
    pub async fn bind_pending(&self, host: HostName) -> Result<Vec<PortId>> {
        self.write(move |write| Box::pin(async move { bind_pending(write, &host).await })).await
    }

    /// Records which ports are wired. Reports under a generation that is not the port's newest, or of a port that is
    /// not bound or is gone, are ignored and returned; but for the end of the wiring under the binding before. Nothing new:
    /// no revision.
    pub async fn set_wired(&self, reports: Vec<WiredReport>) -> Result<Vec<WiredReport>> {
        self.record(reports, Vec::new()).await
    }

    /// Records statuses. A port that is gone is passed over, and so is BUILD or ACTIVE for one that is not bound or is
    /// administratively down, or ACTIVE for one that is not wired: the port has moved on since that was derived. Where a port
    /// was before, it is no longer once it is ACTIVE: all know where it is.
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
                let mut statuses: BTreeMap<PortId, PortStatus> = statuses.into_iter().collect();
                let mut reports: BTreeMap<PortId, Vec<WiredReport>> = BTreeMap::new();
                for report in &wired {
                    reports.entry(report.port).or_default().push(*report);
                }
                let mut stale = HashSet::new();
                let ids: BTreeSet<PortId> = reports.keys().chain(statuses.keys()).copied().collect();
                let ids: Vec<PortId> = ids.into_iter().collect();
                for some in ids.chunks(AT_ONCE) {
                    for port in found(write, some).await? {
                        let (reports, status) = (reports.remove(&port.id), statuses.remove(&port.id));
                        stale.extend(record(write, &port, &reports.unwrap_or_default(), status));
                    }
                }
                // of ports that are gone
                stale.extend(reports.into_values().flatten());
                Ok(wired.into_iter().filter(|report| stale.contains(report)).collect())
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
    .fetch_all(write.db().await?)
    .await?;
    let mut bound = Vec::new();
    for row in rows {
        let (served, needed): (String, String) = (row.try_get("tunnel_types")?, row.try_get("tunnel_type")?);
        if served.split(',').any(|tunnel_type| tunnel_type == needed) {
            let port: Port = write.get(row.try_get("port_id")?).await?;
            if !port.is_served() {
                continue;
            }
            let update = PortUpdate { host: Some(Some(host.clone())), ..PortUpdate::default() };
            bound.push(port.update(write, update, &|_, _| true).await?.id);
        }
    }
    Ok(bound)
}

/// Those of these ports that there are.
async fn found(write: &mut Write<'_>, ids: &[PortId]) -> Result<Vec<Port>> {
    let ask = |batch: &mut Batch| {
        for part in batch::parts(ids) {
            let ids = part.map(PortId::to_string).collect();
            let filter = Filter { conditions: vec![(Column::Id, ids)], ..Filter::default() };
            ports::ask(batch.statement(), &filter);
        }
    };
    let found = write.ask(ask).await?;
    Ok(found.iter().map(|rows| ports::read_all(rows)).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Takes all to a port at once, the reports first. Returns those that are stale; a status may hold all the same.
fn record(
    write: &mut Write<'_>,
    before: &Port,
    reports: &[WiredReport],
    status: Option<PortStatus>,
) -> Vec<WiredReport> {
    let mut after = before.clone();
    let mut stale = Vec::new();
    for report in reports {
        if is_possible(&after, *report) {
            // What has arrived does not go back.
            after.former = after.former.filter(|_| report.wired || !after.wired);
            after.wired = report.wired;
        } else if ends_former(&after, *report) {
            after.former = None;
        } else {
            stale.push(*report);
        }
    }
    if let Some(status) = status.filter(|status| may_be(&after, *status)) {
        after.status = status;
        after.former = after.former.filter(|_| status != PortStatus::Active);
    }
    if (after.wired, after.status, &after.former) != (before.wired, before.status, &before.former) {
        save(write, before, &after);
    }
    stale
}

/// The old host of a port that moves has it wired no more.
fn ends_former(port: &Port, report: WiredReport) -> bool {
    let under_it = port.former.as_ref().is_some_and(|former| former.generation == report.generation);
    under_it && !report.wired
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

fn save(write: &mut Write<'_>, before: &Port, port: &Port) {
    let now = write.now;
    let update = write.last().statement();
    update.push("UPDATE ports SET wired = ").push_bind(port.wired);
    update.push(", status = ").push_bind(port.status.as_str());
    update.push(", updated_at = ").push_bind(now);
    update.push(", revision_number = revision_number + 1 WHERE id = ").push_bind(port.id.0);
    if port.former != before.former {
        // it only ever ends here
        let end = write.last().statement();
        end.push("UPDATE bindings SET former_host = NULL, former_generation = NULL WHERE port_id = ");
        end.push_bind(port.id.0);
    }
    write.touch(Touched::Port(port.id), Some(Change::Port(port.to_model())));
}
