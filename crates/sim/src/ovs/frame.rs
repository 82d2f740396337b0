use openflow::Field;

/// An Ethernet frame as a switch sees it: what the pipelines match and change, and a number to know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    pub src: u64,
    pub dst: u64,
    /// VLAN id and priority bits as on the wire (16 bits, without the "present" bit); `None`: no tag.
    pub tag: Option<u16>,
    pub payload: Payload,
    /// Key of the tunnel that it came by, or is to leave by.
    pub tunnel_id: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payload {
    /// IPv4, and nothing that any flow looks at.
    Data,
    Arp(Arp),
}

/// RFC 826.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arp {
    pub op: u16,
    pub sha: u64,
    pub spa: u32,
    pub tha: u64,
    pub tpa: u32,
}

pub const BROADCAST: u64 = 0xffff_ffff_ffff;
/// "A tag is present": `OFPVID_PRESENT`, and `VLAN_CFI` of NXM.
const PRESENT: u16 = 0x1000;

impl Frame {
    pub fn data(src: u64, dst: u64) -> Self {
        Frame { src, dst, tag: None, payload: Payload::Data, tunnel_id: 0 }
    }

    /// Asks everybody for the owner of an address. `spa` equal to `tpa`: an announcement.
    pub fn arp_request(src: u64, spa: u32, tpa: u32) -> Self {
        let arp = Arp { op: 1, sha: src, spa, tha: 0, tpa };
        Frame { src, dst: BROADCAST, tag: None, payload: Payload::Arp(arp), tunnel_id: 0 }
    }

    pub fn vid(&self) -> Option<u16> {
        self.tag.map(|tag| tag & 0xfff)
    }

    pub fn is_group(&self) -> bool {
        is_group(self.dst)
    }

    /// The value of a field; `None`: the frame has no such field, so nothing that matches it applies.
    pub fn get(&self, field: Field, in_port: u32) -> Option<u128> {
        let arp = || match self.payload {
            Payload::Arp(arp) => Some(arp),
            Payload::Data => None,
        };
        Some(match field {
            Field::InPort | Field::InPortNxm => in_port.into(),
            Field::TunnelId => self.tunnel_id.into(),
            Field::EthSrc => self.src.into(),
            Field::EthDst => self.dst.into(),
            Field::EthType => match self.payload {
                Payload::Arp(_) => 0x0806,
                Payload::Data => 0x0800,
            },
            Field::VlanVid => self.tag.map_or(0, |tag| tag & 0xfff | PRESENT).into(),
            Field::VlanPcp => (self.tag? >> 13).into(),
            Field::VlanTci => self.tag.map_or(0, |tag| tag | PRESENT).into(),
            Field::ArpOp => arp()?.op.into(),
            Field::ArpSpa => arp()?.spa.into(),
            Field::ArpTpa => arp()?.tpa.into(),
            Field::ArpSha => arp()?.sha.into(),
            Field::ArpTha => arp()?.tha.into(),
            _ => return None,
        })
    }

    /// Sets a field; one that the frame does not have stays absent.
    #[allow(clippy::cast_possible_truncation, reason = "values are of their field's width")]
    pub fn set(&mut self, field: Field, value: u128) {
        match field {
            Field::TunnelId => self.tunnel_id = value as u64,
            Field::EthSrc => self.src = value as u64,
            Field::EthDst => self.dst = value as u64,
            Field::VlanVid => {
                let (present, vid) = (value as u16 & PRESENT != 0, value as u16 & 0xfff);
                self.tag = (present || vid != 0).then(|| self.tag.unwrap_or_default() & 0xe000 | vid);
            }
            Field::VlanTci if value as u16 & PRESENT == 0 => self.tag = None,
            Field::VlanTci => self.tag = Some(value as u16 & !PRESENT),
            _ => {
                if let Payload::Arp(arp) = &mut self.payload {
                    match field {
                        Field::ArpOp => arp.op = value as u16,
                        Field::ArpSpa => arp.spa = value as u32,
                        Field::ArpTpa => arp.tpa = value as u32,
                        Field::ArpSha => arp.sha = value as u64,
                        Field::ArpTha => arp.tha = value as u64,
                        _ => {}
                    }
                }
            }
        }
    }
}

pub fn is_group(mac: u64) -> bool {
    mac >> 40 & 1 == 1
}
