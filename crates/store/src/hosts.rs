//! Hosts: who has registered, with which endpoint, and when it was last heard of.

use std::collections::BTreeSet;

use model::{Change, HostName, TunnelType};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::{Connection, Engine, Row, attributes_from, attributes_text, ip_bytes, ip_from};
use crate::filter::{Column, Filter};
use crate::types::{Host, HostRegistration, HostUpdate, Stamp};
use crate::write::{Touched, Write};
use crate::{Error, Result, Store, Stored};

/// Names in one statement; engines bound the number of its parameters.
const HOSTS_AT_ONCE: usize = 1000;

impl Store {
    /// Records a host that connects. A new revision only if what other hosts must know of it is new: its endpoint or its
    /// tunnel types.
    ///
    /// Refused with [`Error::EndpointInUse`] if another host, alive or not, has the endpoint.
    pub async fn register_host(&self, registration: HostRegistration) -> Result<Host> {
        let known = self.host(&registration.name).await?;
        if known.is_some_and(|host| host.same_place(&registration)) {
            return self.refresh_host(registration).await;
        }
        self.write(move |write| Box::pin(async move { register(write, &registration).await })).await
    }

    /// Everything that registration records but what hosts must know of each other: no revision.
    async fn refresh_host(&self, registration: HostRegistration) -> Result<Host> {
        let mut turn = self.0.turn.lock().await;
        let mut connection = turn.take(&self.0.pools.writer).await?;
        update(&mut connection, &registration, self.0.environment.now()).await?;
        turn.give_back(connection);
        let host = self.host(&registration.name).await?;
        host.ok_or_else(|| Error::Corrupt(format!("host {} vanished while it registered", registration.name)))
    }

    /// Notes that these hosts were heard of now. Cheap, and no revision.
    pub async fn heartbeat(&self, hosts: Vec<HostName>) -> Result<()> {
        let mut turn = self.0.turn.lock().await;
        let now = self.0.environment.now();
        let mut connection = turn.take(&self.0.pools.writer).await?;
        for some in hosts.chunks(HOSTS_AT_ONCE) {
            let mut query = QueryBuilder::<Engine>::new("UPDATE hosts SET heartbeat_at = ");
            query.push_bind(now);
            push_names(&mut query, some.iter());
            query.build().execute(&mut *connection).await?;
        }
        turn.give_back(connection);
        Ok(())
    }

    /// Those of these hosts that ever registered.
    pub async fn hosts_named(&self, names: &[HostName]) -> Result<Vec<Host>> {
        let names: Vec<&HostName> = names.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut hosts = Vec::with_capacity(names.len());
        for some in names.chunks(HOSTS_AT_ONCE) {
            let mut query = QueryBuilder::<Engine>::new("SELECT * FROM hosts");
            push_names(&mut query, some.iter().copied());
            let rows = query.build().fetch_all(&mut *self.reader().await?).await?;
            hosts.extend(rows.iter().map(read).collect::<Result<Vec<_>>>()?);
        }
        Ok(hosts)
    }

    async fn host(&self, name: &HostName) -> Result<Option<Host>> {
        let mut reader = self.reader().await?;
        let row =
            sqlx::query("SELECT * FROM hosts WHERE name = $1").bind(name.as_str()).fetch_optional(&mut *reader).await?;
        row.as_ref().map(read).transpose()
    }
}

fn push_names<'n>(query: &mut QueryBuilder<Engine>, names: impl Iterator<Item = &'n HostName>) {
    query.push(" WHERE name IN (");
    let mut list = query.separated(", ");
    for name in names {
        list.push_bind(name.as_str().to_owned());
    }
    query.push(")");
}

async fn register(write: &mut Write<'_>, registration: &HostRegistration) -> Result<Host> {
    let claimed = sqlx::query("SELECT name FROM hosts WHERE endpoint = $1 AND name <> $2")
        .bind(ip_bytes(registration.endpoint))
        .bind(registration.name.as_str())
        .fetch_optional(write.db().await?)
        .await?;
    if let Some(row) = claimed {
        return Err(Error::EndpointInUse {
            host: registration.name.clone(),
            endpoint: registration.endpoint,
            by: row.try_get::<String, _>(0)?.parse()?,
        });
    }
    let (id, now) = (write.environment.uuid(), write.now);
    // the rest of the row is written by the update below
    sqlx::query(
        "INSERT INTO hosts (name, id, endpoint, tunnel_types, admin_state_up, configurations, boot_id, software, \
         created_at, started_at, heartbeat_at) VALUES ($1, $2, $3, '', TRUE, '{}', '', '', $4, $4, $4) \
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(registration.name.as_str())
    .bind(id)
    .bind(ip_bytes(registration.endpoint))
    .bind(now)
    .execute(write.db().await?)
    .await?;
    update(write.db().await?, registration, now).await?;
    let row = sqlx::query("SELECT * FROM hosts WHERE name = $1")
        .bind(registration.name.as_str())
        .fetch_one(write.db().await?)
        .await?;
    let host = read(&row)?;
    write.touch(Touched::Host(host.name.clone()), Some(Change::Host(host.to_model())));
    Ok(host)
}

async fn update(db: &mut Connection, registration: &HostRegistration, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE hosts SET endpoint = $1, tunnel_types = $2, configurations = $3, boot_id = $4, software = $5, \
         started_at = $6, heartbeat_at = $6 WHERE name = $7",
    )
    .bind(ip_bytes(registration.endpoint))
    .bind(registration.tunnel_types.iter().map(|tunnel_type| tunnel_type.as_str()).collect::<Vec<_>>().join(","))
    .bind(attributes_text(&registration.configurations)?)
    .bind(&registration.boot_id)
    .bind(&registration.software)
    .bind(now)
    .bind(registration.name.as_str())
    .execute(db)
    .await?;
    Ok(())
}

impl Stored for Host {
    const TABLE: &'static str = "hosts";
    const ORDER: Column = Column::Name;

    async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<Host>> {
        let mut query = QueryBuilder::new("SELECT h.* FROM hosts h");
        filter.push_to::<Self>(&mut query, "h");
        query.build().fetch_all(db).await?.iter().map(read).collect()
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn missing(id: Uuid) -> Error {
        Error::AgentNotFound(id)
    }

    fn project_id(&self) -> Option<&str> {
        None
    }

    fn stamp(&self) -> Option<Stamp> {
        None
    }
}

fn read(row: &Row) -> Result<Host> {
    let types: String = row.try_get("tunnel_types")?;
    Ok(Host {
        name: row.try_get::<String, _>("name")?.parse()?,
        id: row.try_get("id")?,
        endpoint: ip_from(row.try_get("endpoint")?)?,
        tunnel_types: types
            .split(',')
            .filter(|text| !text.is_empty())
            .map(|text| Ok(text.parse::<TunnelType>()?))
            .collect::<Result<Vec<_>>>()?,
        admin_state_up: row.try_get("admin_state_up")?,
        description: row.try_get("description")?,
        configurations: attributes_from(row.try_get("configurations")?)?,
        boot_id: row.try_get("boot_id")?,
        software: row.try_get("software")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        heartbeat_at: row.try_get("heartbeat_at")?,
    })
}

impl Host {
    pub async fn update(self, write: &mut Write<'_>, update: HostUpdate) -> Result<Host> {
        let admin_state_up = update.admin_state_up.unwrap_or(self.admin_state_up);
        let description = update.description.unwrap_or_else(|| self.description.clone());
        if (admin_state_up, &description) == (self.admin_state_up, &self.description) {
            return Ok(self);
        }
        sqlx::query("UPDATE hosts SET admin_state_up = $1, description = $2 WHERE id = $3")
            .bind(admin_state_up)
            .bind(&description)
            .bind(self.id)
            .execute(write.db().await?)
            .await?;
        write.touch(Touched::Host(self.name.clone()), None);
        Ok(Host { admin_state_up, description, ..self })
    }

    /// Forgets the host: its endpoint is free for another. Ports stay bound to its name.
    pub async fn delete(self, write: &mut Write<'_>) -> Result<()> {
        sqlx::query("DELETE FROM hosts WHERE id = $1").bind(self.id).execute(write.db().await?).await?;
        write.touch(Touched::Host(self.name.clone()), Some(Change::HostDeleted(self.name)));
        Ok(())
    }

    /// What other hosts must know of it.
    pub fn to_model(&self) -> model::Host {
        model::Host { name: self.name.clone(), endpoint: self.endpoint, tunnel_types: self.tunnel_types.clone() }
    }

    fn same_place(&self, registration: &HostRegistration) -> bool {
        self.endpoint == registration.endpoint && self.tunnel_types == registration.tunnel_types
    }
}
