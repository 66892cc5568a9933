//! Blocks of IP addresses.

use super::{Run, address, ip, no_overload};
use crate::cel::error::Error;
use crate::cel::value::Value;
use kcp_apimachinery::text::quote;
use std::fmt;
use std::net::IpAddr;

/// An address and how many of its bits name the block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cidr {
    pub address: IpAddr,
    pub bits: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Cidr {
    fn parse(text: &str) -> Result<Cidr, Error> {
        let failed = |why: &str| {
            Err(Error::new(format!(
                "network address parse error during conversion from string: network address parse error during \
                 conversion from string: netip.ParsePrefix({}): {why}",
                quote(text)
            )))
        };
        let Some((address, bits)) = text.rsplit_once('/') else { return failed("no '/'") };
        let address = match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
                return Err(Error::new(format!(
                    "network address parse error during conversion from string: IPv4-mapped IPv6 address {} is not \
                     allowed",
                    quote(text)
                )));
            }
            Ok(address) => address,
            Err(_) => {
                let is_zoned = |(v6, zone): (&str, &str)| !zone.is_empty() && matches!(v6.parse(), Ok(IpAddr::V6(_)));
                if address.split_once('%').is_some_and(is_zoned) {
                    return failed("IPv6 zones cannot be present in a prefix");
                }
                return failed(&address::fault(address));
            }
        };
        let plain =
            !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
        let most = if address.is_ipv4() { 32 } else { 128 };
        match bits.parse::<u8>() {
            Ok(bits) if plain && bits <= most => Ok(Cidr { address, bits }),
            Ok(_) if plain => failed("prefix length out of range"),
            _ => failed(&format!("bad bits after slash: {}", quote(bits))),
        }
    }

    /// The leading bits of an address, as a number.
    fn prefix_of(address: IpAddr, bits: u8) -> u128 {
        let (number, width) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let rest = width - u32::from(bits);
        if rest >= 128 { 0 } else { number >> rest }
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Cidr::prefix_of(address, self.bits) == Cidr::prefix_of(self.address, self.bits)
    }

    fn masked(&self) -> Cidr {
        let prefix = Cidr::prefix_of(self.address, self.bits);
        let address = match self.address {
            IpAddr::V4(_) => {
                let rest = 32 - u32::from(self.bits);
                IpAddr::V4(((prefix as u32).checked_shl(rest).unwrap_or(0)).into())
            }
            IpAddr::V6(_) => {
                let rest = 128 - u32::from(self.bits);
                IpAddr::V6(prefix.checked_shl(rest).unwrap_or(0).into())
            }
        };
        Cidr { address, bits: self.bits }
    }
}

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "cidr" => |_, _, args| match args {
            [Value::Text(text)] => Cidr::parse(text).map(Value::Cidr),
            _ => no_overload(),
        },
        "isCIDR" => |_, _, args| match args {
            [Value::Text(text)] => Ok(Value::Bool(Cidr::parse(text).is_ok())),
            _ => no_overload(),
        },
        "containsIP" => |_, _, args| match args {
            [Value::Cidr(cidr), Value::Ip(ip)] => Ok(Value::Bool(cidr.contains(*ip))),
            // That a text is no address is told no better by the API server.
            [Value::Cidr(cidr), Value::Text(text)] => match ip::parse(text) {
                Ok(ip) => Ok(Value::Bool(cidr.contains(ip))),
                Err(_) => no_overload(),
            },
            _ => no_overload(),
        },
        "containsCIDR" => |_, _, args| {
            let (cidr, other) = match args {
                [Value::Cidr(cidr), Value::Cidr(other)] => (cidr, *other),
                [Value::Cidr(cidr), Value::Text(text)] => (cidr, Cidr::parse(text)?),
                _ => return no_overload(),
            };
            Ok(Value::Bool(cidr.bits <= other.bits && cidr.contains(other.address)))
        },
        "prefixLength" => |_, _, args| match args {
            [Value::Cidr(cidr)] => Ok(Value::Int(i64::from(cidr.bits))),
            _ => no_overload(),
        },
        "masked" => |_, _, args| match args {
            [Value::Cidr(cidr)] => Ok(Value::Cidr(cidr.masked())),
            _ => no_overload(),
        },
        _ => return None,
    })
}
