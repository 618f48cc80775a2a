"""What was done to a photograph, in its XMP metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

SPACE = "urn:panda-parts:edit"
"""The namespace of what PandA writes."""

KIND = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a photograph of which a trained model made a part."""

END = b"</rdf:RDF>"

_PACKET = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def with_record(
    packet: bytes | str | None, record: Mapping[str, Any], longest: int | None
) -> bytes:
    """Return a packet of XMP that also says what was done.

    Args:
        packet: That of the photograph; None where it has none.
        record: Names (letters alone) and what they say.
        longest: Bytes that it may have.

    Returns:
        The packet; as it was, where it would be longer, or is none of XMP.
    """
    given = packet.encode() if isinstance(packet, str) else packet
    if given and END not in given:
        return given
    before = given or _PACKET
    words = [f"panda:{name}={_attribute(value)}" for name, value in record.items()]
    spaces = f'xmlns:panda="{SPACE}"'
    if b"DigitalSourceType" not in before:
        spaces += ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        words.append(f'Iptc4xmpExt:DigitalSourceType="{KIND}"')
    added = f'<rdf:Description rdf:about="" {spaces} {" ".join(words)}/>\n'.encode()
    start, _, rest = before.rpartition(END)
    whole = start + added + END + rest
    if longest is not None and len(whole) > longest:
        return given or b""
    return whole


def _attribute(value: Any) -> str:
    """Return a value as an attribute of XML, without what XML cannot hold."""
    text = "".join(char for char in str(value) if char.isprintable())
    return quoteattr(text)
