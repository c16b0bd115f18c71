"""Kinds of files: what is an image by its first bytes, what is known and not read, and what systems leave behind."""

import os
import re
from typing import NamedTuple

from pipeline.images.decoding import heif
from pipeline.images.files.leftovers import leftover_reason

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif"}
    | {".tiff", ".avif", ".pbm", ".pgm", ".ppm", ".pnm"}
)
"""Endings of names that are images; with any other name the first bytes decide."""

HEAD_BYTES = 4096
"""The first bytes of a file, which are read if its name does not say what it is."""

_HEIC_ENDINGS = frozenset({".heic", ".heif", ".hif", ".heics"})
_JPEG_XL = "JPEG XL images are not read; convert them to PNG or JPEG"
_JPEG_2000 = "JPEG 2000 images are not read; convert them to PNG or TIFF"
_RAW = "raw images of a camera are not read; develop them to JPEG or TIFF"
_SVG = "SVG drawings have no pixels; render them to PNG"
_LAYERED = "images with layers are not read; export them as PNG or TIFF"
_VIDEO = "videos are not read; extract single images, for example with ffmpeg"
_MEDICAL = "medical images are not read; export them as PNG or TIFF with the window of values that you need"
_FLOATS = "images of unlimited brightness or unknown range are not read; convert them to 8 or 16 bits"
_RARE = "images in this format are not read; convert them to PNG"
_ARCHIVE = "archives in a folder are not opened; unpack them, or give one as DATA"
_ARRAYS = "arrays in a folder are not opened; put images and labels into one .npz file (x, y), and give it as DATA"
_IOS = "PNG files of iOS apps (CgBI) are not read; restore them with pngcrush -revert-iphone-optimizations"
_DOCUMENT = "documents are not read; extract their images"
_INSTRUMENT = "files of microscopes are not read; export their images as PNG or TIFF"

_ENDINGS = {
    _JPEG_XL: "jxl",
    _JPEG_2000: "jp2 j2k jpf jpx jpm j2c jpc",
    _RAW: "cr2 cr3 crw nef nrw arw sr2 srf dng orf rw2 raf pef srw x3f 3fr fff iiq kdc dcr mrw erf mef mos rwl raw",
    _SVG: "svg svgz",
    _LAYERED: "psd psb xcf kra",
    _VIDEO: "mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp mts m2ts ogv",
    _MEDICAL: "dcm dicom nii mha mhd nrrd svs ndpi mrxs",
    _FLOATS: "exr hdr pfm fits fit",
    _RARE: "ico cur tga pcx icns dds qoi jxr wdp bpg flif sgi rgb ras xbm xpm eps wmf emf jp3d",
    _ARCHIVE: "zip tar gz tgz bz2 xz zst rar 7z tbz2 txz",
    _ARRAYS: "npy npz",
    _DOCUMENT: "pdf djvu",
    _INSTRUMENT: "czi lif nd2 oib oif vsi",
}
_REASONS = {f".{ending}": reason for reason, endings in _ENDINGS.items() for ending in endings.split()}
# First bytes, with their offset.
_STARTS = (
    (0, b"\xff\x0a", _JPEG_XL),
    (0, b"\0\0\0\x0cJXL ", _JPEG_XL),
    (0, b"\0\0\0\x0cjP  ", _JPEG_2000),
    (0, b"\xff\x4f\xff\x51", _JPEG_2000),
    (0, b"II\x1a\0\0\0HEAPCCDR", _RAW),
    (0, b"IIRO", _RAW),
    (0, b"IIU\0", _RAW),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"FOVb", _RAW),
    (8, b"CR\x02\0", _RAW),  # a Canon raw image is a TIFF otherwise
    (12, b"CgBI", _IOS),
    (0, b"8BPS", _LAYERED),
    (0, b"gimp xcf", _LAYERED),
    (0, b"\x1aE\xdf\xa3", _VIDEO),
    (0, b"FLV\x01", _VIDEO),
    (0, b"\0\0\x01\xba", _VIDEO),
    (8, b"AVI LIST", _VIDEO),
    (128, b"DICM", _MEDICAL),
    (0, b"v/1\x01", _FLOATS),
    (0, b"#?RADIANCE", _FLOATS),
    (0, b"SIMPLE  =", _FLOATS),
    (0, b"DDS ", _RARE),
    (0, b"qoif", _RARE),
    (0, b"icns", _RARE),
    (0, b"II\xbc\x01", _RARE),
    (0, b"Rar!\x1a\x07", _ARCHIVE),
    (0, b"7z\xbc\xaf'\x1c", _ARCHIVE),
    (0, b"%PDF-", _DOCUMENT),
    (0, b"%!PS", _RARE),
    (0, b"\0\0\1\0\1\0", _RARE),
    (344, b"n+1\0", _MEDICAL),
    (344, b"ni1\0", _MEDICAL),
    (0, b"NRRD0", _MEDICAL),
    (0, b"ZISRAWFILE", _INSTRUMENT),
)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", *_TIFF_STARTS)
_NETPBM = re.compile(rb"P[1-6](\s+#[^\n]*)*\s+\d")
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)

_SYSTEM_FOLDERS = frozenset(
    {
        "@eadir",  # Synology
        "@tmp",
        "@sharebin",
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "@transcode",
        "$recycle.bin",  # Windows
        "system volume information",
        "lost+found",  # Linux
        "lost.dir",  # Android
        "__macosx",
        "network trash folder",
        "temporary items",
        "__pycache__",
    }
)
_SYSTEM_FILES = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "picasa.ini",
        "zbthumbnail.info",
        "pspbrwse.jbf",
        "autorun.inf",
    }
)


_SYSTEM_NAMES = re.compile(r"found\.\d{3}|.*\.lrdata", re.IGNORECASE)
"""Folders of chkdsk, and previews of Lightroom."""

_OLD_BINS = ("RECYCLED", "RECYCLER")
"""Those of old versions of Windows, written so: `recycled` may be a class."""


class Other(NamedTuple):
    """A kind of files that are not images of the data set."""

    kind: str
    """Ending of the names, such as `.txt`, or words."""

    reason: str = ""
    """Why files like this are not read, and the cure; empty if nobody expects it."""


SYSTEM_FILES = Other("system files")
_ICLOUD = ".icloud"
_PLACEHOLDERS = Other(
    _ICLOUD, "files that iCloud has not downloaded: download them in the Finder, or with brctl download"
)
SYSTEM_FOLDERS = Other("system folders")
_BINS = Other(
    "folders called RECYCLED or RECYCLER",
    "they are taken for recycle bins of Windows; if one is a class, write its name in small letters",
)
OWN_FOLDERS = Other("folders that this package wrote")

_OWN = (
    ("run.json", "metrics.json"),
    ("evaluation.json", "predictions.csv"),
    ("comparison.json", "comparison.png"),
    ("recipe.json", "shards"),
)
"""Names that each run, evaluation, comparison and store has; one of them alone may be a user's."""


def kind_of_system_file(name: str) -> Other:
    """The kind of a file that systems leave behind; what iCloud leaves for an image that it has not downloaded is one with a cure."""
    return _PLACEHOLDERS if name.startswith(".") and name.endswith(_ICLOUD) else SYSTEM_FILES


def is_system_file(name: str) -> bool:
    """Whether a file is hidden, or one of those that systems leave behind: `.DS_Store`, `._1.jpg`, `Thumbs.db`."""
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def is_system_folder(name: str) -> bool:
    """Whether a folder is hidden, or one of those that systems leave behind: `@eaDir`, `$RECYCLE.BIN`, `__MACOSX`."""
    is_named = name in _OLD_BINS or _SYSTEM_NAMES.fullmatch(name) is not None
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS or is_named


def kind_of_system_folder(path: str) -> Other:
    """What a folder for which `is_system_folder` is true is counted as: one whose name may be that of a class has a reason."""
    return _BINS if path.rpartition("/")[2] in _OLD_BINS else SYSTEM_FOLDERS


def is_own_folder(path: str) -> bool:
    """Whether a folder is a run, an evaluation, a comparison or a store: its plots are no images of the data around it."""
    return any(all(os.path.lexists(f"{path}/{name}") for name in names) for names in _OWN)


def ending_of(name: str) -> str:
    """The ending in lower case, with its dot; empty if there is none."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if stem and dot and ending else ""


def is_known_ending(ending: str) -> bool:
    """Whether files with this ending are images, or of a kind that has a reason not to be read."""
    return ending in EXTENSIONS or ending in _HEIC_ENDINGS or ending in _REASONS


def has_image_extension(name: str) -> bool:
    """Whether a file's name says that it is an image, so that its content need not be read to know."""
    return name[name.rfind(".") :].lower() in EXTENSIONS


def other_kind(name: str, head: bytes) -> Other | None:
    """What a file is if it is no image that can be read; None if it is one.

    Args:
        name: Its name.
        head: Its first `HEAD_BYTES` bytes.
    """
    ending = ending_of(name)
    kind = ending or "files without ending"
    reason = _reason_of(ending, head)
    return None if reason is None else Other(kind, reason)


def unread_reason(head: bytes) -> str:
    """Why a file that no reader knows is not read, from its first bytes alone; empty if they are no image in any format."""
    reason = _reason_of("", head)
    left = "" if reason is None else reason or leftover_reason(head)
    return f"not an image but {left}" if left.startswith("text") else left


def _reason_of(ending: str, head: bytes) -> str | None:
    """Why a file is not read, with the cure; empty if it is no image in any format, None if it is read."""
    # Cameras write raw images as TIFF files that hold a small preview: only their names tell them apart.
    is_raw = _REASONS.get(ending) == _RAW and head.startswith(_TIFF_STARTS)
    for offset, start, reason in _STARTS:
        if head.startswith(start, offset):
            return reason
    if _is_image(head) and not is_raw:
        return None
    if head[4:8] == b"ftyp":
        return _reason_of_boxes(head)
    if ending in _HEIC_ENDINGS:
        return _heic_reason() or ""
    is_svg = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml", b"<!DOCTYPE svg")) and b"<svg" in head
    return _SVG if is_svg else _REASONS.get(ending, "")


def _is_image(head: bytes) -> bool:
    """Whether bytes are the start of an image in a format that is read."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_bmp = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return head.startswith(_IMAGE_STARTS) or is_webp or is_bmp or _NETPBM.match(head) is not None


def _reason_of_boxes(head: bytes) -> str | None:
    """As `_reason_of`, for a file of boxes (ISO 14496-12), which name its brands: AVIF, HEIC, a raw image or a video."""
    brands = {head[start : start + 4] for start in (8, *range(16, min(int.from_bytes(head[:4], "big"), 256), 4))}
    if brands & _AVIF_BRANDS:
        return None
    if head[8:12] == b"crx ":
        return _RAW
    return _heic_reason() if brands & _HEIF_BRANDS else _VIDEO


def _heic_reason() -> str | None:
    if heif.FORMATS:
        return None
    return "HEIC images need the extra `heif`: pip install 'bottleneck-pipeline[heif]'; or convert them to JPEG"
