//! The addresses of ports: which subnets they come from when the request leaves that open, and their changes.

use model::{Mac, NetworkId, PortId, SubnetId};

use crate::db::ip_bytes;
use crate::places::{self, Place, Places};
use crate::types::{FixedIp, FixedIpChoice, Port};
use crate::write::Write;
use crate::{Error, Result, ipam};

/// A port that gets addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'p> {
    pub(crate) port: PortId,
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) device_owner: &'p str,
}

/// Gives a new port its addresses: those chosen, or one of each IP version that the network has subnets of; and in any
/// case that of each subnet in which ports form their own.
pub(crate) async fn assign(
    write: &mut Write<'_>,
    taker: Taker<'_>,
    choices: Option<&[FixedIpChoice]>,
) -> Result<Vec<FixedIp>> {
    let places = places::of(write.db(), taker.network, taker.device_owner).await?;
    let mut assigned = Vec::new();
    match choices {
        None => {
            for of_version in places.by_version() {
                let fixed_ip = take_first_free(write, &of_version).await?.ok_or(Error::NoFreeIp(taker.network))?;
                insert(write, taker.port, assigned.len(), &fixed_ip).await?;
                assigned.push(fixed_ip);
            }
        }
        Some(choices) => {
            for choice in places.without_own(choices) {
                let fixed_ip = take(write, taker.network, &places, choice).await?;
                insert(write, taker.port, assigned.len(), &fixed_ip).await?;
                assigned.push(fixed_ip);
            }
        }
    }
    for fixed_ip in places.own(taker.mac) {
        form(write, taker.port, &places, assigned.len(), &fixed_ip).await?;
        assigned.push(fixed_ip);
    }
    Ok(assigned)
}

/// Records an address that the port forms itself; from now on nobody else gets it.
async fn form(write: &mut Write<'_>, port: PortId, places: &Places, position: usize, fixed_ip: &FixedIp) -> Result<()> {
    if let Some(place) = places.find(fixed_ip.subnet_id) {
        ipam::take(write, place.subnet, &place.cidr, fixed_ip.ip).await?;
    }
    insert(write, port, position, fixed_ip).await
}

async fn take_first_free(write: &mut Write<'_>, places: &[&Place]) -> Result<Option<FixedIp>> {
    for place in places {
        if let Some(ip) = ipam::take_any(write, place.subnet).await? {
            return Ok(Some(FixedIp { subnet_id: place.subnet, ip }));
        }
    }
    Ok(None)
}

async fn take(write: &mut Write<'_>, network: NetworkId, places: &Places, choice: FixedIpChoice) -> Result<FixedIp> {
    let named = |id: SubnetId| places.find(id).ok_or(Error::SubnetOfOtherNetwork { network, subnet: id });
    match choice {
        FixedIpChoice::From(id) => {
            let subnet_id = named(id)?.subnet;
            let ip = ipam::take_any(write, subnet_id).await?.ok_or(Error::NoFreeIp(network))?;
            Ok(FixedIp { subnet_id, ip })
        }
        FixedIpChoice::Exactly(ip, id) => {
            let place = match id {
                Some(id) => named(id)?,
                None => places.holding(ip).ok_or(Error::IpOutsideNetwork(ip))?,
            };
            if places.forms_own(place.subnet) {
                return Err(Error::IpFormedByPort { subnet: place.subnet, ip });
            }
            ipam::take(write, place.subnet, &place.cidr, ip).await?;
            Ok(FixedIp { subnet_id: place.subnet, ip })
        }
    }
}

/// Gives a port exactly the chosen addresses, and those that it forms itself. What it has and may keep, it keeps: an
/// address that is chosen again, and for a choice of a subnet alone any address that it has there (as Neutron). No
/// choices: only those that it forms itself are new, because its MAC is.
pub(crate) async fn change(
    write: &mut Write<'_>,
    taker: Taker<'_>,
    have: &[FixedIp],
    choices: Option<&[FixedIpChoice]>,
) -> Result<()> {
    let places = places::of(write.db(), taker.network, taker.device_owner).await?;
    let (formed, chosen): (Vec<FixedIp>, Vec<FixedIp>) =
        have.iter().cloned().partition(|fixed_ip| places.forms_own(fixed_ip.subnet_id));
    let same: Vec<FixedIpChoice> =
        chosen.iter().map(|fixed_ip| FixedIpChoice::Exactly(fixed_ip.ip, Some(fixed_ip.subnet_id))).collect();
    let own = places.own(taker.mac);
    // naming an address that the port forms anyway asks for nothing
    let formed_anyway = |choice: &FixedIpChoice| match choice {
        FixedIpChoice::Exactly(ip, _) => own.iter().any(|fixed_ip| fixed_ip.ip == *ip),
        FixedIpChoice::From(_) => false,
    };
    let mut choices = places.without_own(choices.unwrap_or(&same));
    choices.retain(|choice| !formed_anyway(choice));
    let (kept, given_up) = keep(&chosen, &choices);
    // first, so that they are free for the choices below
    for fixed_ip in given_up.iter().chain(formed.iter().filter(|fixed_ip| !own.contains(fixed_ip))) {
        release(write, fixed_ip).await?;
    }
    for (position, (choice, kept)) in choices.iter().zip(kept).enumerate() {
        if let Some(fixed_ip) = kept {
            reposition(write, position, &fixed_ip).await?;
        } else {
            let fixed_ip = take(write, taker.network, &places, *choice).await?;
            insert(write, taker.port, position, &fixed_ip).await?;
        }
    }
    for (position, fixed_ip) in own.iter().enumerate() {
        let position = choices.len() + position;
        if formed.contains(fixed_ip) {
            reposition(write, position, fixed_ip).await?;
        } else {
            form(write, taker.port, &places, position, fixed_ip).await?;
        }
    }
    Ok(())
}

/// For each choice the address that already meets it, if any; and the addresses that meet none. Pure.
fn keep(have: &[FixedIp], choices: &[FixedIpChoice]) -> (Vec<Option<FixedIp>>, Vec<FixedIp>) {
    let mut left = have.to_vec();
    let mut take_if =
        |matches: &dyn Fn(&FixedIp) -> bool| left.iter().position(matches).map(|position| left.remove(position));
    // exact choices first, so that an open one does not take the address of an exact one
    let exact: Vec<Option<FixedIp>> = choices
        .iter()
        .map(|choice| match choice {
            FixedIpChoice::Exactly(ip, subnet) => {
                take_if(&|fixed_ip| fixed_ip.ip == *ip && subnet.is_none_or(|id| fixed_ip.subnet_id == id))
            }
            FixedIpChoice::From(_) => None,
        })
        .collect();
    let kept = choices
        .iter()
        .zip(exact)
        .map(|(choice, exact)| match choice {
            FixedIpChoice::From(id) => take_if(&|fixed_ip| fixed_ip.subnet_id == *id),
            FixedIpChoice::Exactly(..) => exact,
        })
        .collect();
    (kept, left)
}

pub(crate) async fn release_all(write: &mut Write<'_>, port: &Port) -> Result<()> {
    for fixed_ip in &port.fixed_ips {
        release(write, fixed_ip).await?;
    }
    Ok(())
}

async fn release(write: &mut Write<'_>, fixed_ip: &FixedIp) -> Result<()> {
    sqlx::query("DELETE FROM fixed_ips WHERE subnet_id = $1 AND ip = $2")
        .bind(fixed_ip.subnet_id.0)
        .bind(ip_bytes(fixed_ip.ip))
        .execute(write.db())
        .await?;
    ipam::give_back(write, fixed_ip.subnet_id, fixed_ip.ip).await
}

async fn insert(write: &mut Write<'_>, port: PortId, position: usize, fixed_ip: &FixedIp) -> Result<()> {
    let inserted = sqlx::query(
        "INSERT INTO fixed_ips (subnet_id, ip, port_id, position) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (subnet_id, ip) DO NOTHING",
    )
    .bind(fixed_ip.subnet_id.0)
    .bind(ip_bytes(fixed_ip.ip))
    .bind(port.0)
    .bind(i64::try_from(position).unwrap_or(i64::MAX))
    .execute(write.db())
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::IpInUse { subnet: fixed_ip.subnet_id, ip: fixed_ip.ip });
    }
    Ok(())
}

async fn reposition(write: &mut Write<'_>, position: usize, fixed_ip: &FixedIp) -> Result<()> {
    sqlx::query("UPDATE fixed_ips SET position = $1 WHERE subnet_id = $2 AND ip = $3")
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(fixed_ip.subnet_id.0)
        .bind(ip_bytes(fixed_ip.ip))
        .execute(write.db())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_address_is_kept_for_the_choice_that_fits_it_best() {
        let (a, b) = (SubnetId(Uuid::from_u128(1)), SubnetId(Uuid::from_u128(2)));
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let of = |subnet_id, last| FixedIp { subnet_id, ip: ip(last) };
        let have = [of(a, 1), of(a, 2), of(b, 3)];
        // the open choice comes first, and yet leaves 10.0.0.1 to the exact one
        let choices =
            [FixedIpChoice::From(a), FixedIpChoice::Exactly(ip(1), None), FixedIpChoice::Exactly(ip(9), Some(a))];
        let (kept, given_up) = keep(&have, &choices);
        assert_eq!(kept, [Some(of(a, 2)), Some(of(a, 1)), None]);
        assert_eq!(given_up, [of(b, 3)]);
    }
}
