//! Which tunnel key a new network gets.

use std::ops::RangeInclusive;

use model::{NetworkId, Segment, TunnelKey, TunnelType};
use sqlx::Row as _;

use crate::db::to_key;
use crate::types::KeyChoice;
use crate::write::Write;
use crate::{Error, Result};

/// Random keys to try before looking for a gap: in a range that is not nearly full, the first is free.
const TRIES: usize = 8;

/// Gives the network a segment. A key that was just freed is unlikely to be the next.
pub(crate) async fn allocate(
    write: &mut Write<'_>,
    network: NetworkId,
    tunnel_type: TunnelType,
    key: &KeyChoice,
) -> Result<Segment> {
    let range = match key {
        KeyChoice::Exactly(key) => {
            let segment = Segment { tunnel_type, key: *key };
            return if take(write, network, segment).await? { Ok(segment) } else { Err(Error::SegmentInUse(segment)) };
        }
        KeyChoice::From(range) => range,
    };
    for _ in 0..TRIES {
        let segment = Segment { tunnel_type, key: random_key(write.environment.random(), range) };
        if take(write, network, segment).await? {
            return Ok(segment);
        }
    }
    let key = first_gap(write, tunnel_type, range).await?.ok_or(Error::NoFreeSegment(tunnel_type))?;
    let segment = Segment { tunnel_type, key };
    if take(write, network, segment).await? { Ok(segment) } else { Err(Error::NoFreeSegment(tunnel_type)) }
}

fn random_key(random: u64, range: &RangeInclusive<TunnelKey>) -> TunnelKey {
    let count = u64::from(range.end().saturating_sub(*range.start())) + 1;
    let offset = TunnelKey::try_from(random % count).unwrap_or_default();
    range.start().saturating_add(offset)
}

async fn take(write: &mut Write<'_>, network: NetworkId, segment: Segment) -> Result<bool> {
    let inserted = sqlx::query(
        "INSERT INTO segments (network_id, tunnel_type, tunnel_key) VALUES ($1, $2, $3) \
         ON CONFLICT (tunnel_type, tunnel_key) DO NOTHING",
    )
    .bind(network.0)
    .bind(segment.tunnel_type.as_str())
    .bind(i64::from(segment.key))
    .execute(write.db().await?)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The lowest free key: the start of the range, or the successor of a key in it whose successor nobody has.
async fn first_gap(
    write: &mut Write<'_>,
    tunnel_type: TunnelType,
    range: &RangeInclusive<TunnelKey>,
) -> Result<Option<TunnelKey>> {
    let row = sqlx::query(
        "SELECT MIN(gap) FROM (SELECT $2 AS gap UNION ALL SELECT tunnel_key + 1 FROM segments \
         WHERE tunnel_type = $1 AND tunnel_key >= $2 AND tunnel_key < $3) AS gaps \
         WHERE NOT EXISTS (SELECT 1 FROM segments WHERE tunnel_type = $1 AND tunnel_key = gap)",
    )
    .bind(tunnel_type.as_str())
    .bind(i64::from(*range.start()))
    .bind(i64::from(*range.end()))
    .fetch_one(write.db().await?)
    .await?;
    row.try_get::<Option<i64>, _>(0)?.map(to_key).transpose()
}
