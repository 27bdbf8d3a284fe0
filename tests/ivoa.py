"""The schemas of the Virtual Observatory that Debian's STILTS brings; a test that needs them is skipped without it."""

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_JAR = Path("/usr/share/java/starlink-ttools.jar")
_INSIDE = "uk/ac/starlink/ttools/taplint/"
_VS, _VR = "http://www.ivoa.net/xml/VODataService/v1.1", "http://www.ivoa.net/xml/VOResource/v1.0"
_FILES = {
    "UWS": ("http://www.ivoa.net/xml/UWS/v1.0", "UWS-v1.1.xsd"),
    "availability": ("http://www.ivoa.net/xml/VOSIAvailability/v1.0", "VOSIAvailability-v1.0.xsd"),
    "capabilities": ("http://www.ivoa.net/xml/VOSICapabilities/v1.0", "VOSICapabilities-v1.0.xsd"),
    "tables": ("http://www.ivoa.net/xml/VOSITables/v1.0", "VOSITables-v1.1.xsd"),
}
_ADDRESSES = {
    "http://www.ivoa.net/xml/Xlink/xlink.xsd": "xlink.xsd",
    "http://www.w3.org/2001/xml.xsd": "xmlnamespace.xsd",
    "http://www.ivoa.net/xml/STC/stc-v1.30.xsd": "stc-v1.30.xsd",
    _VR: "VOResource-v1.1.xsd",
    _VS: "VODataService-v1.2.xsd",
}
"""Addresses from which schemas import each other, and their names in the jar."""


@cache
def schema(name: str) -> Any:
    """Return the schema of ``UWS``, ``availability``, ``capabilities`` or ``tables``, for lxml."""
    if not _JAR.exists():
        pytest.skip("needs the schemas in STILTS (apt-get install stilts)")
    etree = pytest.importorskip("lxml.etree")

    class OfTheJar(etree.Resolver):  # type: ignore[name-defined,misc]
        def resolve(self, address: str, _id: str, context: Any) -> Any:
            with zipfile.ZipFile(_JAR) as jar:
                return self.resolve_string(jar.read(_INSIDE + _ADDRESSES.get(address, address)), context)

    namespace, file = _FILES[name]
    imported = {namespace: file} if name in {"UWS", "availability"} else {namespace: file, _VS: _VS, _VR: _VR}
    lines = "".join(f'<import namespace="{one}" schemaLocation="{where}"/>' for one, where in imported.items())
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(OfTheJar())
    text = f'<schema xmlns="http://www.w3.org/2001/XMLSchema">{lines}</schema>'
    return etree.XMLSchema(etree.fromstring(text, parser))
