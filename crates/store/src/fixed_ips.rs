//! The addresses of ports: which subnets they come from when the request leaves that open, and their changes.

use std::collections::{BTreeMap, HashMap};

use model::{Mac, NetworkId, PortId, SubnetId};

use crate::batch::{Batch, Values};
use crate::db::ip_bytes;
use crate::ipam::{self, Next};
use crate::places::{Place, Places, Site};
use crate::types::{FixedIp, FixedIpChoice, Port};
use crate::write::Write;
use crate::{Error, Result};

/// A port that gets addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'p> {
    pub(crate) port: PortId,
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) device_owner: &'p str,
}

/// A new port and what it asks for.
pub(crate) struct Wish<'p> {
    pub(crate) taker: Taker<'p>,
    pub(crate) places: Places,
    /// `None`: an address of each IP version that the network has subnets of.
    pub(crate) choices: Option<&'p [FixedIpChoice]>,
}

/// An address of a new port.
enum Slot {
    Has(FixedIp),
    /// From the first of these subnets that has one.
    Wants(Vec<SubnetId>),
}

/// Gives new ports their addresses: those chosen, or any; and in any case that of each subnet in which ports form their
/// own. Exact choices come first, so that no port is given what another one asks for.
pub(crate) async fn assign(write: &mut Write<'_>, mut next: Next, wishes: &[Wish<'_>]) -> Result<Vec<Vec<FixedIp>>> {
    let mut slots = Vec::with_capacity(wishes.len());
    let mut demand = BTreeMap::<(NetworkId, Vec<SubnetId>), usize>::new();
    for wish in wishes {
        let of_port = slots_of(write, &mut next, wish).await?;
        for slot in &of_port {
            if let Slot::Wants(subnets) = slot {
                *demand.entry((wish.taker.network, subnets.clone())).or_default() += 1;
            }
        }
        slots.push(of_port);
    }
    let mut supply = HashMap::new();
    for ((network, subnets), wanted) in demand {
        let taken = take_first_free(write, &mut next, network, &subnets, wanted).await?;
        if taken.len() < wanted {
            return Err(Error::NoFreeIp(network));
        }
        supply.insert(subnets, taken.into_iter());
    }
    let mut assigned = Vec::with_capacity(wishes.len());
    let mut rows = Vec::new();
    for (wish, of_port) in wishes.iter().zip(slots) {
        let mut fixed_ips = Vec::with_capacity(of_port.len());
        for slot in of_port {
            let next = match slot {
                Slot::Has(fixed_ip) => Some(fixed_ip),
                Slot::Wants(subnets) => {
                    let next = supply.get_mut(&subnets).and_then(Iterator::next);
                    rows.extend(next.clone().map(|fixed_ip| (wish.taker.port, fixed_ips.len(), fixed_ip)));
                    next
                }
            };
            fixed_ips.extend(next);
        }
        assigned.push(fixed_ips);
    }
    write.last().insert(INSERT, &rows, bind, "");
    Ok(assigned)
}

/// What a port gets. What does not depend on what is free, it has now; it may have been next.
async fn slots_of(
    write: &mut Write<'_>,
    next: &mut Next,
    Wish { taker, places, choices }: &Wish<'_>,
) -> Result<Vec<Slot>> {
    let mut slots = Vec::new();
    match choices {
        None => slots.extend(places.by_version().into_iter().map(Slot::Wants)),
        Some(choices) => {
            for choice in places.without_own(choices) {
                slots.push(match choice {
                    FixedIpChoice::From(id) => Slot::Wants(vec![named(places, taker.network, id)?.subnet]),
                    FixedIpChoice::Exactly(..) => {
                        let fixed_ip = take(write, taker.network, places, choice).await?;
                        next.remove(&fixed_ip.subnet_id);
                        insert(write, taker.port, slots.len(), &fixed_ip).await?;
                        Slot::Has(fixed_ip)
                    }
                });
            }
        }
    }
    for fixed_ip in places.own(taker.mac) {
        next.remove(&fixed_ip.subnet_id);
        form(write, taker.port, places, slots.len(), &fixed_ip).await?;
        slots.push(Slot::Has(fixed_ip));
    }
    Ok(slots)
}

/// As many as are wanted or there are, from the first subnets that have them.
async fn take_first_free(
    write: &mut Write<'_>,
    next: &mut Next,
    network: NetworkId,
    subnets: &[SubnetId],
    wanted: usize,
) -> Result<Vec<FixedIp>> {
    let mut taken = Vec::with_capacity(wanted);
    for subnet in subnets {
        let ips = ipam::take_any(write, next, network, *subnet, wanted - taken.len()).await?;
        taken.extend(ips.into_iter().map(|ip| FixedIp { subnet_id: *subnet, ip }));
    }
    Ok(taken)
}

/// Records an address that the port forms itself; from now on nobody else gets it.
async fn form(write: &mut Write<'_>, port: PortId, places: &Places, position: usize, fixed_ip: &FixedIp) -> Result<()> {
    if let Some(place) = places.find(fixed_ip.subnet_id) {
        ipam::take(write, place.subnet, &place.cidr, fixed_ip.ip).await?;
    }
    insert(write, port, position, fixed_ip).await
}

fn named(places: &Places, network: NetworkId, id: SubnetId) -> Result<&Place> {
    places.find(id).ok_or(Error::SubnetOfOtherNetwork { network, subnet: id })
}

async fn take(write: &mut Write<'_>, network: NetworkId, places: &Places, choice: FixedIpChoice) -> Result<FixedIp> {
    match choice {
        FixedIpChoice::From(id) => {
            let subnet = named(places, network, id)?.subnet;
            let taken = take_first_free(write, &mut Next::new(), network, &[subnet], 1).await?;
            taken.into_iter().next().ok_or(Error::NoFreeIp(network))
        }
        FixedIpChoice::Exactly(ip, id) => {
            let place = match id {
                Some(id) => named(places, network, id)?,
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
    let places = Site::of(write.db().await?, taker.network).await?.places(taker.device_owner)?;
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
        .execute(write.db().await?)
        .await?;
    ipam::give_back(write, fixed_ip.subnet_id, fixed_ip.ip).await
}

const INSERT: &str = "INSERT INTO fixed_ips (subnet_id, ip, port_id, position)";

/// An address that another port may have.
async fn insert(write: &mut Write<'_>, port: PortId, position: usize, fixed_ip: &FixedIp) -> Result<()> {
    let mut batch = Batch::default();
    let conflict = " ON CONFLICT (subnet_id, ip) DO NOTHING RETURNING position";
    batch.insert(INSERT, &[(port, position, fixed_ip.clone())], bind, conflict);
    if batch.fetch(write.db().await?).await?.iter().all(Vec::is_empty) {
        return Err(Error::IpInUse { subnet: fixed_ip.subnet_id, ip: fixed_ip.ip });
    }
    Ok(())
}

fn bind(mut row: Values<'_>, (port, position, fixed_ip): &(PortId, usize, FixedIp)) {
    row.push_bind(fixed_ip.subnet_id.0).push_bind(ip_bytes(fixed_ip.ip));
    row.push_bind(port.0).push_bind(i64::try_from(*position).unwrap_or(i64::MAX));
}

async fn reposition(write: &mut Write<'_>, position: usize, fixed_ip: &FixedIp) -> Result<()> {
    sqlx::query("UPDATE fixed_ips SET position = $1 WHERE subnet_id = $2 AND ip = $3")
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(fixed_ip.subnet_id.0)
        .bind(ip_bytes(fixed_ip.ip))
        .execute(write.db().await?)
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
