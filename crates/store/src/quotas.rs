//! Quotas: how many objects of each kind a project may have.

use std::collections::BTreeMap;

use sqlx::Row as _;

use crate::db::{Connection, Row, to_i64};
use crate::types::SecurityGroup;
use crate::write::{Touched, Write};
use crate::{Error, Result, Store};

/// What quotas count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    Network,
    Port,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
}

/// A number for some of what is counted; as a limit, a negative one means any number.
pub type Limits = BTreeMap<Counted, i64>;

impl Store {
    /// The limits that were set for each project, by its id.
    pub async fn quotas(&self) -> Result<BTreeMap<String, Limits>> {
        let mut reader = self.reader().await?;
        read(&sqlx::query(ALL).fetch_all(&mut *reader).await?)
    }

    /// The limits that were set for this project.
    pub async fn quota(&self, project: &str) -> Result<Limits> {
        let rows = sqlx::query("SELECT resource, maximum FROM quotas WHERE project_id = $1")
            .bind(project)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(|row| Ok((Counted::parse(row.try_get("resource")?)?, row.try_get("maximum")?))).collect()
    }

    /// How many objects this project has.
    pub async fn usage(&self, project: &str) -> Result<Limits> {
        let mut reader = self.reader().await?;
        let mut usage = Limits::new();
        for counted in Counted::ALL {
            usage.insert(counted, count(&mut reader, project, counted, i64::MAX).await?);
        }
        Ok(usage)
    }

    /// Sets these limits, leaves others. With `check`, refused if the project has more already.
    pub async fn set_quota(&self, project: &str, limits: Limits, check: bool) -> Result<()> {
        let project = project.to_owned();
        self.write(move |write| Box::pin(async move { set(write, &project, &limits, check).await })).await
    }

    /// Gives the project the default limits again.
    pub async fn delete_quota(&self, project: &str) -> Result<()> {
        let project = project.to_owned();
        self.write(move |write| Box::pin(async move { delete(write, project).await })).await
    }
}

impl Write<'_> {
    /// Refuses so many more objects if they would take the project over its quota. What is not limited is not counted,
    /// and nothing is beyond its limit.
    pub async fn check_quota(&mut self, defaults: &Limits, counted: Counted, project: &str, more: i64) -> Result<()> {
        if counted == Counted::SecurityGroup {
            // it counts, too
            SecurityGroup::default_of(self, project).await?;
        }
        let limit = self.limit(defaults, counted, project).await?;
        if limit >= 0 && count(self.db().await?, project, counted, limit).await?.saturating_add(more) > limit {
            return Err(Error::OverQuota(counted));
        }
        Ok(())
    }

    async fn limit(&mut self, defaults: &Limits, counted: Counted, project: &str) -> Result<i64> {
        let quotas = match self.quotas.take() {
            Some(quotas) => quotas,
            None => read(&sqlx::query(ALL).fetch_all(self.db().await?).await?)?,
        };
        let set = quotas.get(project).and_then(|limits| limits.get(&counted)).copied();
        self.quotas = Some(quotas);
        Ok(set.or_else(|| defaults.get(&counted).copied()).unwrap_or(-1))
    }
}

const ALL: &str = "SELECT project_id, resource, maximum FROM quotas";

fn read(rows: &[Row]) -> Result<BTreeMap<String, Limits>> {
    let mut quotas = BTreeMap::<String, Limits>::new();
    for row in rows {
        let counted = Counted::parse(row.try_get("resource")?)?;
        quotas.entry(row.try_get("project_id")?).or_default().insert(counted, row.try_get("maximum")?);
    }
    Ok(quotas)
}

/// What the project has, counted up to a bound.
async fn count(db: &mut Connection, project: &str, counted: Counted, bound: i64) -> Result<i64> {
    let row = sqlx::query(counted.count()).bind(project).bind(bound).fetch_one(db).await?;
    Ok(row.try_get(0)?)
}

async fn set(write: &mut Write<'_>, project: &str, limits: &Limits, check: bool) -> Result<()> {
    for (counted, limit) in limits {
        if check {
            let used = count(write.db().await?, project, *counted, i64::MAX).await?;
            if used > *limit {
                return Err(Error::QuotaBelowUsage { counted: *counted, limit: *limit, used });
            }
        }
        let changed = sqlx::query(
            "INSERT INTO quotas (project_id, resource, maximum) VALUES ($1, $2, $3) \
             ON CONFLICT (project_id, resource) DO UPDATE SET maximum = excluded.maximum \
             WHERE maximum <> excluded.maximum",
        )
        .bind(project)
        .bind(counted.as_str())
        .bind(limit)
        .execute(write.db().await?)
        .await?;
        if changed.rows_affected() > 0 {
            write.touch(Touched::Quota(project.to_owned()), None);
        }
    }
    Ok(())
}

async fn delete(write: &mut Write<'_>, project: String) -> Result<()> {
    let deleted =
        sqlx::query("DELETE FROM quotas WHERE project_id = $1").bind(&project).execute(write.db().await?).await?;
    if to_i64(deleted.rows_affected())? == 0 {
        return Err(Error::QuotaNotFound(project));
    }
    write.touch(Touched::Quota(project), None);
    Ok(())
}

impl Counted {
    pub const ALL: [Counted; 5] =
        [Counted::Network, Counted::Port, Counted::SecurityGroup, Counted::SecurityGroupRule, Counted::Subnet];

    /// As the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Counted::Network => "network",
            Counted::Port => "port",
            Counted::SecurityGroup => "security_group",
            Counted::SecurityGroupRule => "security_group_rule",
            Counted::Subnet => "subnet",
        }
    }

    fn parse(text: &str) -> Result<Counted> {
        let found = Counted::ALL.into_iter().find(|counted| counted.as_str() == text);
        found.ok_or_else(|| Error::Corrupt(format!("\"{text}\" is nothing that quotas count")))
    }

    fn count(self) -> &'static str {
        match self {
            Counted::Network => "SELECT COUNT(*) FROM (SELECT 1 FROM networks WHERE project_id = $1 LIMIT $2) AS some",
            Counted::Port => "SELECT COUNT(*) FROM (SELECT 1 FROM ports WHERE project_id = $1 LIMIT $2) AS some",
            Counted::SecurityGroup => {
                "SELECT COUNT(*) FROM (SELECT 1 FROM security_groups WHERE project_id = $1 LIMIT $2) AS some"
            }
            Counted::SecurityGroupRule => {
                "SELECT COUNT(*) FROM (SELECT 1 FROM security_group_rules WHERE project_id = $1 LIMIT $2) AS some"
            }
            Counted::Subnet => "SELECT COUNT(*) FROM (SELECT 1 FROM subnets WHERE project_id = $1 LIMIT $2) AS some",
        }
    }
}
