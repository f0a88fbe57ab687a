"""UEFI variables in OVMF's store, written before the machine starts: Secure Boot's keys.

Sources: UEFI 2.10, sections 32.4.1 (signature lists) and 3.3 (names); EDK II, MdeModulePkg/Include/Guid/VariableFormat.h (the
store: a firmware volume's header, the store's header, then variables on 4-byte boundaries).
"""
import base64
import struct
import uuid

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
IMAGE_SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
SECURE_BOOT_ENABLE = uuid.UUID("f0a30bc7-af08-4556-99c4-001009c93a44")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
AUTHENTICATED_STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")
OWNER = uuid.UUID("0d3f9b1e-6a1c-4b0e-9d1b-484f4c4f4e00")
NON_VOLATILE, BOOT_SERVICE, RUNTIME, TIME_AUTHENTICATED = 1, 2, 4, 0x20
ADDED, VARIABLE_HEADER, STORE_HEADER = 0x3F, 60, 28


def signature_list(der):
    return X509.bytes_le + struct.pack("<III", 28 + 16 + len(der), 0, 16 + len(der)) + OWNER.bytes_le + der


def variable(name, guid, attributes, data):
    text = name.encode("utf-16-le") + b"\0\0"
    date = struct.pack("<HBBBBBxIhBx", 2026, 1, 1, 0, 0, 0, 0, 0, 0) if attributes & TIME_AUTHENTICATED else bytes(16)
    head = struct.pack("<HBxIQ", 0x55AA, ADDED, attributes, 0) + date + struct.pack("<III", 0, len(text), len(data))
    raw = head + guid.bytes_le + text + data
    return raw.ljust(-(-len(raw) // 4) * 4, b"\xff")


def enrol(store, certificate):
    """The store's bytes with the certificate (PEM) as platform key, exchange key and only signer, and Secure Boot on."""
    body = certificate.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    keys, signed = signature_list(base64.b64decode(body)), NON_VOLATILE | BOOT_SERVICE | RUNTIME | TIME_AUTHENTICATED
    at, = struct.unpack_from("<H", store, 48)  # the firmware volume's header
    if store[40:44] != b"_FVH" or store[at:at + 16] != AUTHENTICATED_STORE.bytes_le:
        raise ValueError("OVMF's variables are of a form that is not known here")
    end, = struct.unpack_from("<I", store, at + 16)
    end, at = at + end, at + STORE_HEADER
    while store[at:at + 2] == b"\xaa\x55":
        name, data = struct.unpack_from("<II", store, at + 36)
        at += -(-(VARIABLE_HEADER + name + data) // 4) * 4
    added = (variable("PK", GLOBAL, signed, keys) + variable("KEK", GLOBAL, signed, keys)
             + variable("db", IMAGE_SECURITY, signed, keys)
             + variable("SecureBootEnable", SECURE_BOOT_ENABLE, NON_VOLATILE | BOOT_SERVICE, b"\1"))
    if at + len(added) > end:
        raise ValueError("OVMF's variables leave no room for keys")
    return store[:at] + added + store[at + len(added):]
