"""Headers of the PROXY protocol, as a proxy in front would write them, and read as a worker behind would."""

import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TLV_ALPN, TLV_CRC32C, TLV_UNIQUE_ID, TLV_SSL, TLV_SSL_VERSION = 0x01, 0x03, 0x05, 0x20, 0x21


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def v1(source, target=("198.51.100.2", 443)):
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {target[0]} {source[1]} {target[1]}\r\n".encode()


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def v2(source=None, target=("198.51.100.2", 443), tlvs=b"", summed=False):
    """Of a client at `source`; without one, LOCAL."""
    addresses, family = b"", 0
    if source:
        six = ":" in source[0]
        kind, family = (socket.AF_INET6, 0x21) if six else (socket.AF_INET, 0x11)
        addresses = (socket.inet_pton(kind, source[0]) + socket.inet_pton(kind, target[0]) +
                     struct.pack(">HH", source[1], target[1]))
    if summed:
        tlvs += tlv(TLV_CRC32C, bytes(4))
    header = SIGNATURE + struct.pack(">BBH", 0x21 if source else 0x20, family, len(addresses) + len(tlvs))
    header += addresses + tlvs
    return header[:-4] + struct.pack(">I", crc32c(header)) if summed else header


def exactly(stream, n):
    data = stream.read(n)
    assert len(data) == n, f"the header is cut: {data!r}"
    return data


def read(stream):
    """(told, TLVs) of the header at the front of a binary file: told is (source, target), or None when it tells of
    nobody."""
    first = exactly(stream, 12)
    if first != SIGNATURE:
        line = first + stream.readline()
        assert line.endswith(b"\r\n") and line.startswith(b"PROXY "), line
        words = line[:-2].decode().split(" ")
        if words[1] == "UNKNOWN":
            return None, {}
        return ((words[2], int(words[4])), (words[3], int(words[5]))), {}
    command, family, n = struct.unpack(">BBH", exactly(stream, 4))
    body = exactly(stream, n)
    told = None
    if command == 0x21 and family:
        kind, size = (socket.AF_INET, 4) if family == 0x11 else (socket.AF_INET6, 16)
        ports = struct.unpack(">HH", body[2 * size:2 * size + 4])
        told = ((socket.inet_ntop(kind, body[:size]), ports[0]),
                (socket.inet_ntop(kind, body[size:2 * size]), ports[1]))
        body = body[2 * size + 4:]
    return told, parse_tlvs(body)


def parse_tlvs(data):
    found = {}
    while data:
        kind, n = struct.unpack(">BH", data[:3])
        assert len(data) >= 3 + n and kind not in found, data
        found[kind], data = data[3:3 + n], data[3 + n:]
    return found
