"""Files that are named like images and are something else: leftovers of downloads and copies that failed, and files of other programs."""

_AS_LEFT = "as left by a download that failed; download it again"
_PAGE = f"a page of HTML, {_AS_LEFT}"
_TEXTS = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; run git lfs pull",
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
    b"<head": _PAGE,
    b"/9j/": "an image as text (base64); decode it into a file",
    b"data:image/": "an image as text (a data URL); decode the base64 after the comma into a file",
}
"""What a failed download leaves under the name of an image, by the start of the text in small letters."""

_ZEROS = "nothing but zero bytes, as left by a copy that was interrupted; copy or download it again"
_AS_TEXT = "an image that was transferred as text, which changed its bytes; copy or download it again as binary"
_MANGLED = (
    b"\x89PNG\r\r\n",  # line ends were written for Windows
    b"\x89PNG\n\x1a\n",  # or for Unix
    b"\xef\xbf\xbdPNG",  # bytes that are no UTF-8 were replaced
    b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
)
_OTHERS = {
    b"PK\3\4": "a zip archive; unpack it",
    b"Rar!\x1a\x07": "a RAR archive; unpack it",
    b"7z\xbc\xaf'\x1c": "a 7z archive; unpack it",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file; export its images as PNG or TIFF",
    b"MATLAB 5.0": "a file of MATLAB; export its images as PNG or TIFF",
    b"bplist00": "settings of an Apple system, such as a file that iCloud has not downloaded yet",
}
_BEHIND_TEXT = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_UTF8_MARK = b"\xef\xbb\xbf"
_SHOWN = 40


def leftover_reason(head: bytes) -> str:
    """What a file is that no reader of images knows, from its first bytes; empty if that cannot be said."""
    return next(filter(None, (check(head) for check in (_by_start, _by_image_behind, _by_text))), "") if head else ""


def _by_start(head: bytes) -> str:
    """The reason for known first bytes."""
    text = _without_space(head)[:200].lower()
    if not head.strip(b"\0"):
        return _ZEROS
    if head.startswith(_MANGLED):
        return _AS_TEXT
    pairs = (*((head, pair) for pair in _OTHERS.items()), *((text, pair) for pair in _TEXTS.items()))
    return next((reason for start, (begin, reason) in pairs if start.startswith(begin)), "")


def _by_image_behind(head: bytes) -> str:
    """The reason for an image behind a text, such as the headers of a web server."""
    before = next((head.find(mark) for mark in _BEHIND_TEXT if head.find(mark) > 0), 0)
    if not before or not head[:before].removeprefix(_UTF8_MARK).isascii() or b"\0" in head[:before]:
        return ""
    return f"an image after {before:,} bytes of text, written by the program that sent it; remove them"


def _by_text(head: bytes) -> str:
    """The reason for a text: how it begins."""
    text = _without_space(head)
    try:
        shown = " ".join(text[:_SHOWN].decode("utf-8").split())
    except UnicodeDecodeError:
        return ""
    if not shown.isprintable() or b"\0" in text:
        return ""
    return _PAGE if b"<html" in text.lower() else f"text, which begins {shown!r}, {_AS_LEFT}"


def _without_space(head: bytes) -> bytes:
    return head.removeprefix(_UTF8_MARK).lstrip(b" \t\r\n")
