//! Values that no request asks for: the server chooses among many, and two servers choose differently.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// What a server may choose from, what it was asked for, and what it chose.
pub(super) struct Choices {
    /// Network type → tunnel keys.
    keys: BTreeMap<&'static str, RangeInclusive<u64>>,
    /// What requests have named so far: attribute and value.
    asked: BTreeSet<(String, String)>,
    /// The pools of our subnets, as they are now.
    pools: Vec<(Value, RangeInclusive<IpAddr>)>,
    /// Object, and what of it → Neutron's choice and ours.
    given: BTreeMap<String, (Value, Value)>,
}

impl Choices {
    pub(super) fn new(gre: RangeInclusive<u32>, vxlan: RangeInclusive<u32>) -> Choices {
        let wide = |keys: RangeInclusive<u32>| u64::from(*keys.start())..=u64::from(*keys.end());
        let keys = BTreeMap::from([("gre", wide(gre)), ("vxlan", wide(vxlan))]);
        Choices { keys, asked: BTreeSet::new(), pools: Vec::new(), given: BTreeMap::new() }
    }

    /// A request names these values.
    pub(super) fn ask(&mut self, body: &Value) {
        match body {
            Value::Object(object) => {
                self.asked.extend(object.iter().map(|(name, value)| asked(name, value)));
                object.values().for_each(|value| self.ask(value));
            }
            Value::Array(list) => list.iter().for_each(|value| self.ask(value)),
            _ => {}
        }
    }

    /// Our subnets, as they are listed now.
    pub(super) fn subnets(&mut self, subnets: &Value) {
        let subnets = subnets["subnets"].as_array().into_iter().flatten();
        let pools = subnets.flat_map(|subnet| {
            let pools = subnet["allocation_pools"].as_array().into_iter().flatten();
            pools.filter_map(|pool| Some((subnet["id"].clone(), address(&pool["start"])?..=address(&pool["end"])?)))
        });
        self.pools = pools.collect();
    }

    /// Whether what is called `name` in these two, which are a part of the object that has this id, is two servers' choice
    /// of the same: nobody asked Neutron for its, and ours is one that our server may choose, and still what it chose before.
    pub(super) fn is_choice(&mut self, id: Option<&str>, name: &str, recorded: &Object, ours: &Object) -> bool {
        let (Some(was), Some(is)) = (recorded.get(name), ours.get(name)) else { return false };
        let is_fit = match name {
            "ip_address" => ours.get("subnet_id").is_some_and(|subnet| self.is_of(subnet, is)),
            "provider:segmentation_id" => {
                let keys =
                    ours.get("provider:network_type").and_then(Value::as_str).and_then(|kind| self.keys.get(kind));
                keys.zip(is.as_u64()).is_some_and(|(keys, is)| keys.contains(&is))
            }
            _ => return false,
        };
        // had Neutron been asked for a value, it would show that
        let is_asked = self.asked.contains(&asked(name, was));
        if !is_fit || is_asked {
            return false;
        }
        // what has no name of its own cannot be told from others
        let Some(id) = id.filter(|id| *id != "{uuid}") else { return true };
        let what = format!("{id} {} {name}", ours.get("subnet_id").unwrap_or(&Value::Null));
        let before = self.given.insert(what, (was.clone(), is.clone()));
        before.is_none_or(|before| before.0 != *was || before.1 == *is)
    }

    /// Whether it is in a pool of the subnet.
    fn is_of(&self, subnet: &Value, ip: &Value) -> bool {
        address(ip).is_some_and(|ip| self.pools.iter().any(|(id, pool)| id == subnet && pool.contains(&ip)))
    }
}

/// Numbers are asked for in strings, too.
fn asked(name: &str, value: &Value) -> (String, String) {
    (name.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choices() -> Choices {
        let mut choices = Choices::new(1..=1000, 1001..=2000);
        let pools = json!([{"start": "10.0.0.2", "end": "10.0.0.9"}]);
        choices.subnets(&json!({"subnets": [{"id": "{s}", "allocation_pools": pools}]}));
        choices
    }

    fn address_of(choices: &mut Choices, port: &str, was: &str, is: &str) -> bool {
        let [was, is] = [was, is].map(|ip| json!({"subnet_id": "{s}", "ip_address": ip}).as_object().cloned().unwrap());
        choices.is_choice(Some(port), "ip_address", &was, &is)
    }

    #[test]
    fn an_address_is_a_choice_in_the_pools_if_nobody_asked_for_it_and_stays() {
        let mut choices = choices();
        assert!(address_of(&mut choices, "{p}", "10.0.0.7", "10.0.0.2"));
        assert!(address_of(&mut choices, "{p}", "10.0.0.7", "10.0.0.2"));
        assert!(!address_of(&mut choices, "{p}", "10.0.0.7", "10.0.0.3"), "it has changed");
        assert!(!address_of(&mut choices, "{q}", "10.0.0.7", "10.0.0.10"), "out of the pool");
        choices.ask(&json!({"port": {"fixed_ips": [{"ip_address": "10.0.0.8"}]}}));
        assert!(!address_of(&mut choices, "{q}", "10.0.0.8", "10.0.0.2"), "Neutron was asked");
        assert!(address_of(&mut choices, "{r}", "10.0.0.9", "10.0.0.8"), "Neutron was asked for another");
    }

    #[test]
    fn a_key_is_a_choice_in_the_range_of_its_type() {
        let mut choices = choices();
        let mut judge = |kind: &str, was: u32, is: u32| {
            let [was, is] =
                [was, is].map(|key| json!({"provider:network_type": kind, "provider:segmentation_id": key}));
            let [was, is] = [was, is].map(|network| network.as_object().cloned().unwrap());
            choices.is_choice(None, "provider:segmentation_id", &was, &is)
        };
        assert!(judge("gre", 7, 8) && judge("vxlan", 1007, 1008));
        assert!(!judge("gre", 7, 1008) && !judge("vxlan", 1007, 8));
        choices.ask(&json!({"network": {"provider:segmentation_id": "77"}}));
        let networks = [77, 78].map(|key| json!({"provider:network_type": "gre", "provider:segmentation_id": key}));
        let [was, is] = networks.map(|network| network.as_object().cloned().unwrap());
        assert!(!choices.is_choice(None, "provider:segmentation_id", &was, &is), "Neutron was asked");
    }
}
