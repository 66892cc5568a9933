//! IP addresses. Zones, and IPv4 dressed as IPv6, are refused.

use super::{Run, address, no_overload};
use crate::cel::error::Error;
use crate::cel::value::Value;
use kcp_apimachinery::text::quote;
use std::net::IpAddr;

/// Reads an address.
pub(super) fn parse(text: &str) -> Result<IpAddr, Error> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            Err(Error::new(format!("IPv4-mapped IPv6 address {} is not allowed", quote(text))))
        }
        Ok(ip) => Ok(ip),
        Err(_) => {
            let shown = quote(text);
            if let Some((address, zone)) = text.split_once('%')
                && !zone.is_empty()
                && matches!(address.parse(), Ok(IpAddr::V6(_)))
            {
                return Err(Error::new(format!("IP address {shown} with zone value is not allowed")));
            }
            let fault = address::fault(text);
            Err(Error::new(format!("IP Address {shown} parse error during conversion from string: {fault}")))
        }
    }
}

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "ip" => |_, _, args| match args {
            [Value::Text(text)] => parse(text).map(Value::Ip),
            [Value::Cidr(cidr)] => Ok(Value::Ip(cidr.address)),
            _ => no_overload(),
        },
        "isIP" => |_, _, args| match args {
            [Value::Text(text)] => Ok(Value::Bool(parse(text).is_ok())),
            _ => no_overload(),
        },
        "ip.isCanonical" => |_, _, args| match args {
            [Value::Text(text)] => Ok(Value::Bool(parse(text)?.to_string() == **text)),
            _ => no_overload(),
        },
        "family" => |_, _, args| match args {
            [Value::Ip(ip)] => Ok(Value::Int(if ip.is_ipv4() { 4 } else { 6 })),
            _ => no_overload(),
        },
        "isUnspecified" => |_, _, args| test(args, |ip| ip.is_unspecified()),
        "isLoopback" => |_, _, args| test(args, |ip| ip.is_loopback()),
        "isLinkLocalMulticast" => |_, _, args| test(args, is_link_local_multicast),
        "isLinkLocalUnicast" => |_, _, args| test(args, is_link_local_unicast),
        "isGlobalUnicast" => |_, _, args| {
            test(args, |ip| {
                let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
                !(ip.is_unspecified()
                    || ip.is_loopback()
                    || ip.is_multicast()
                    || is_link_local_unicast(ip)
                    || broadcast)
            })
        },
        _ => return None,
    })
}

fn is_link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn test<'a>(args: &[Value<'a>], check: impl Fn(IpAddr) -> bool) -> Result<Value<'a>, Error> {
    match args {
        [Value::Ip(ip)] => Ok(Value::Bool(check(*ip))),
        _ => no_overload(),
    }
}
