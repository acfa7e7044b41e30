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
