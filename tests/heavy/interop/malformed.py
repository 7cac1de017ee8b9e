"""Packets that contradict themselves, to port 80 of two addresses: python3 malformed.py INTERFACE IPV4
IPV6 SEED PORT PORT. From each of the two ports, one of either family, somebody is connected: who guesses
at that connection sends, too. The same seed sends the same packets."""

import random
import socket
import struct
import sys

from scapy.all import (
    ARP, Ether, ICMP, IP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
    ICMPv6PacketTooBig, Raw, TCP, UDP, Dot1Q, conf, fragment, fragment6, fuzz, getmacbyip, raw,
)

interface, v4, v6, seed, *connected = sys.argv[1:7]
random.seed(int(seed))
conf.verb = 0
conf.iface = interface
own = "10.77.0.2", "fd77::2"
mac = getmacbyip(v4)
here = Ether(dst=mac)


def ends():
    """Both families."""
    yield here / IP(src=own[0], dst=v4)
    yield here / IPv6(src=own[1], dst=v6)


def port():
    return random.randrange(1024, 65536)


def options():
    """Option lists that end early, run over, or say what cannot be. As bytes, padded to four."""
    lists = [
        b"\x02", b"\x02\x00", b"\x02\x01", b"\x02\x04\x05", b"\x02\x04\x00\x00", b"\x02\xff\x05\xb4",
        b"\x03\x03\xff", b"\x03\x03\x0f", b"\x03\x00", b"\x04\x02\x04\x02", b"\x08\x0a" + b"\xff" * 8,
        b"\x08\x0a\x00", b"\x08\x0b" + b"\x00" * 9, b"\x05\x02", b"\x05\x03\x00", b"\x05\x0a" + b"\xff" * 8,
        b"\x05\x0a" + struct.pack("!II", 9, 3), b"\x05\x22" + b"\x01" * 32, b"\x13\x12" + b"m" * 16,
        b"\x22\x02", b"\x22\x0a" + b"c" * 8, b"\x00" * 40, b"\x01" * 40, b"\xfd\x28" + b"e" * 38,
        b"\x1e\x0c" + b"\x00" * 10,
    ]
    for one in lists:
        yield one.ljust((len(one) + 3) // 4 * 4, b"\x00")


def segment(base, flags, opts=b"", payload=b"", offset=None, **fields):
    """A segment with options as they are, its checksum right for what it says of itself."""
    offset = 5 + len(opts) // 4 if offset is None else offset
    made = base / TCP(sport=port(), dport=80, flags=flags, dataofs=offset, **fields)
    return made / Raw(opts + payload) if opts or payload else made


def odd():
    request = b"GET /file HTTP/1.1\r\n\r\n"
    for base in ends():
        for flags in range(256):
            yield segment(base, flags)
            yield segment(base, flags, payload=request)
        for offset in range(16):
            yield segment(base, "S", offset=offset)
            yield segment(base, "A", offset=offset, payload=request)
        for opts in options():
            for flags in ["S", "SA", "A", "R", "F"]:
                yield segment(base, flags, opts)
            yield segment(base, "S", opts, payload=request)
        for length in range(20):
            yield base / Raw(raw(TCP(sport=port(), dport=80, flags="S"))[:length])
            yield here / Raw(raw(base)[14:14 + length])
        for fields in [{"sport": 0}, {"dport": 0}, {"sport": 80}, {"urgptr": 65535, "flags": "U"}, {"chksum": 0},
                       {"chksum": 0xffff}, {"window": 0}, {"reserved": 7}, {"seq": 0xffffffff}]:
            yield base / TCP(**{"sport": port(), "dport": 80, "flags": "S", **fields})
        yield base / TCP(sport=port(), dport=80, flags="S") / Raw(b"x" * 1400)
        yield base / UDP(sport=port(), dport=80) / Raw(b"x")
    syn = TCP(sport=4000, dport=80, flags="S")
    for fields in [{"ihl": 0}, {"ihl": 4}, {"ihl": 15}, {"len": 0}, {"len": 19}, {"len": 65535}, {"version": 5},
                   {"ttl": 0}, {"flags": "MF"}, {"frag": 1}, {"frag": 8191}, {"chksum": 1}, {"src": v4},
                   {"src": "0.0.0.0"}, {"src": "255.255.255.255"}, {"src": "224.0.0.1"}, {"src": "127.0.0.1"},
                   {"dst": "10.77.0.255"}, {"dst": "224.0.0.1"}, {"options": [b"\x44\x28" + b"\x05" * 38]},
                   {"options": [b"\x83\x03\x04"]}, {"options": [b"\x07"]}, {"proto": 0}, {"proto": 255}]:
        yield here / IP(**{"src": own[0], "dst": v4, **fields}) / syn
    for fields in [{"plen": 0}, {"plen": 19}, {"plen": 65535}, {"version": 4}, {"hlim": 0}, {"nh": 59}, {"nh": 0},
                   {"src": v6}, {"src": "::"}, {"src": "ff02::1"}, {"src": "::1"}, {"dst": "ff02::1"}]:
        yield here / IPv6(**{"src": own[1], "dst": v6, **fields}) / syn
    for extension in [IPv6ExtHdrFragment(m=1), IPv6ExtHdrFragment(offset=100), IPv6ExtHdrHopByHop(len=255),
                      IPv6ExtHdrDestOpt(len=255), IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()]:
        yield here / IPv6(src=own[1], dst=v6) / extension / syn
    inner = IP(src=v4, dst=own[0]) / TCP(sport=80, dport=4000)
    for mtu in [0, 1, 67, 68, 1500, 65535]:
        yield here / IP(src=own[0], dst=v4) / ICMP(type=3, code=4, nexthopmtu=mtu) / inner
        yield here / IPv6(src=own[1], dst=v6) / ICMPv6PacketTooBig(mtu=mtu) / \
            IPv6(src=v6, dst=own[1]) / TCP(sport=80, dport=4000)
    for tag in [Dot1Q(vlan=0), Dot1Q(vlan=5), Dot1Q(vlan=0) / Dot1Q(vlan=0)]:
        yield here / tag / IP(src=own[0], dst=v4) / syn
    for operation in [0, 1, 2, 9]:
        yield here / ARP(op=operation, hwlen=3, psrc=v4, pdst=v4)
        yield here / Raw(raw(ARP(op=operation, pdst=v4))[:random.randrange(1, 27)])
    for kind in [0x0800, 0x86dd, 0x0806, 0x8100, 0x0001, 0xffff]:
        yield Ether(dst=mac, type=kind) / Raw(b"\x45")


def attacks():
    """Those that have names, and each in both families where it has a form in both."""
    request = b"GET /file HTTP/1.1\r\n\r\n"
    for land in [IP(src=v4, dst=v4), IPv6(src=v6, dst=v6)]:
        yield here / land / TCP(sport=80, dport=80, flags="S")
    for base in ends():
        for flags in ["FPU", "FSRPAUEC", "", "SF", "SR", "SFRP"]:
            yield segment(base, flags)
            yield segment(base, flags, payload=request)
        yield base / TCP(sport=port(), dport=80, flags="UPA", urgptr=3) / Raw(b"winnuke")
    # Whole segments in fragments: in order, backwards, overlapping, never ending, longer than a packet.
    whole = IP(src=own[0], dst=v4, id=7) / TCP(sport=port(), dport=80, flags="S") / Raw(b"x" * 2000)
    pieces = fragment(whole, fragsize=16)
    yield from (here / piece for piece in pieces)
    yield from (here / piece for piece in reversed(pieces))
    for shift in [1, 2, 3]:
        for number, piece in enumerate(pieces[:40]):
            moved = piece.copy()
            moved.frag = max(0, moved.frag - shift * number)
            del moved.chksum
            yield here / moved
    for first, second in [((0, 36), (3, 4)), ((0, 24), (2, 8)), ((1, 40), (0, 16)), ((0, 8), (1, 8)), ((8190, 400), (8191, 64))]:
        for (offset, length), more in [(first, 1), (second, 0)]:
            yield here / IP(src=own[0], dst=v4, id=242, frag=offset, flags=more, proto=6) / Raw(b"y" * length)
    long = IPv6(src=own[1], dst=v6) / IPv6ExtHdrFragment(id=9) / TCP(sport=port(), dport=80, flags="S") / Raw(b"x" * 3000)
    for piece in fragment6(long, 1280) * 2:
        yield here / piece
    for offset in [0, 1, 2, 5, 8190]:
        yield here / IPv6(src=own[1], dst=v6) / IPv6ExtHdrFragment(id=10, offset=offset, m=1, nh=6) / Raw(b"z" * 24)


def guesses():
    """From where somebody is connected, with numbers that are not his."""
    for base, source in zip(ends(), connected):
        for flags in ["R", "RA", "S", "SA", "A", "FA", "PA", "FPA", "U", ""]:
            for _ in range(30):
                fields = {"seq": random.getrandbits(32), "ack": random.getrandbits(32), "window": random.getrandbits(16)}
                guess = TCP(sport=int(source), dport=80, flags=flags, **fields)
                yield base / guess / Raw(random.randbytes(random.randrange(0, 40)) if "A" in flags else b"")


def at_random():
    for _ in range(1500):
        for base in ends():
            whole = bytearray(raw(segment(base, random.choice(["S", "A", "PA", "FA"]), payload=b"GET / HTTP/1.1\r\n\r\n")))
            for _ in range(random.randrange(1, 6)):
                whole[random.randrange(14, len(whole))] = random.randrange(256)
            yield bytes(whole[:random.randrange(14, len(whole) + 1)])
    for _ in range(300):
        for base in ends():
            yield base / fuzz(TCP(dport=80))
        yield here / fuzz(IP(dst=v4) / TCP(dport=80))
        yield here / fuzz(IPv6(dst=v6) / TCP(dport=80))


link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((interface, 0))
sent = 0
for packet in [*odd(), *attacks(), *guesses(), *at_random()]:
    data = packet if isinstance(packet, bytes) else raw(packet)
    link.send(data[:1514])
    sent += 1
print(sent, "packets sent")
