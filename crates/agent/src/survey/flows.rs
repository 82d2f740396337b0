use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use openflow::Flow;
use pipeline::{Bridge, Cookie, Ownership};

use super::{FoundFlows, Intent, Verdict};

/// Where Neutron's `openvswitch` firewall driver has its flows on the integration bridge (`BASE_EGRESS_TABLE` to
/// `ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE` of its constants).
const FIREWALL: RangeInclusive<u8> = 71..=94;

/// Counts flows as they come: a host may have hundreds of thousands.
#[derive(Debug, Default)]
pub struct Flows(BTreeMap<Alike, usize>);

/// Bridge, cookie (none: Culvert's), and what becomes of them.
type Alike = (Bridge, Option<u64>, Verdict, &'static str);

const ELSE: &str = "somebody else's";
const FILTER: &str = "a stock agent's firewall: Culvert filters nothing";

impl Flows {
    pub fn add(&mut self, bridge: Bridge, flow: &Flow) {
        let ours = Cookie::parse(flow.cookie).is_some();
        let (verdict, reason) = match Ownership::of(bridge, flow) {
            Ownership::Row(_) if ours => (Verdict::Adopt, "compared; only what differs is sent"),
            Ownership::Row(_) => (
                Verdict::Change,
                "of a form that Culvert uses: stays in effect, is given Culvert's cookie, and goes later if nothing needs it",
            ),
            Ownership::Stray => {
                (Verdict::Remove, "of a form that Culvert does not use: goes when the host knows all that it must")
            }
            Ownership::Learned(_) => (Verdict::Leave, "learned by the switch: expires by itself"),
            Ownership::Foreign if bridge == Bridge::Integration && FIREWALL.contains(&flow.table) => {
                (Verdict::Leave, FILTER)
            }
            Ownership::Foreign => (Verdict::Leave, ELSE),
        };
        let cookie = (!ours).then_some(flow.cookie);
        *self.0.entry((bridge, cookie, verdict, reason)).or_default() += 1;
    }

    /// On a bridge that is `flushed` all flows have one end, whatever would have become of them.
    /// What another agent leaves on a bridge that is `handed_over` is nobody's any more.
    pub(super) fn found(
        &self,
        intent: &Intent,
        flushed: impl Fn(&String) -> bool,
        handed_over: impl Fn(&String) -> bool,
    ) -> Vec<FoundFlows> {
        let mut found: BTreeMap<(&String, Option<u64>, Verdict, &str), usize> = BTreeMap::new();
        for ((bridge, cookie, verdict, reason), count) in &self.0 {
            let bridge = match bridge {
                Bridge::Integration => &intent.integration_bridge,
                Bridge::Tunnel => &intent.tunnel_bridge,
            };
            let (verdict, reason) = match (flushed(bridge), *reason) {
                (true, FILTER) => {
                    (Verdict::Remove, "dropped with the rest: a stock agent's firewall. Culvert filters nothing")
                }
                (true, _) => (Verdict::Remove, "dropped by Open vSwitch when the bridge is altered"),
                (false, FILTER) if handed_over(bridge) => (
                    Verdict::Remove,
                    "goes when all of Culvert's are in: a stock agent's firewall. Culvert filters nothing",
                ),
                (false, ELSE) if handed_over(bridge) => {
                    (Verdict::Remove, "left by the bridge's agent: goes when all of Culvert's are in")
                }
                (false, reason) => (*verdict, reason),
            };
            *found.entry((bridge, *cookie, verdict, reason)).or_default() += count;
        }
        let found = found.into_iter().map(|((bridge, cookie, verdict, reason), count)| FoundFlows {
            bridge: bridge.clone(),
            cookie: cookie.map_or_else(|| "culvert".to_owned(), |cookie| format!("{cookie:#x}")),
            count,
            verdict,
            reason: reason.to_owned(),
        });
        found.collect()
    }
}
