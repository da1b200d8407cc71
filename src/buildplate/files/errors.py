"""What can go wrong with a print file, and what the person or program behind it should do next."""

from __future__ import annotations

from typing import ClassVar


class FileError(Exception):
    """A refusal or failure of the file room; `code` is stable, `hint` says what to do next."""

    code: ClassVar[str] = "file_error"
    hint: str = "Try again; if it stays, look at the server's log."

    def __init__(self, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        if hint is not None:
            self.hint = hint


class NotGcode(FileError):
    """The content is not G-code text that a printer could execute: ask the user."""

    code = "not_gcode"
    hint = "Export plain G-code (.gcode) from the slicer and upload that."


class BinaryContent(NotGcode):
    """There is a NUL byte in the content."""

    def __init__(self) -> None:
        super().__init__("The file is binary, not text.")


class NoCommand(NotGcode):
    """No line of the text begins with a G-code command."""

    def __init__(self) -> None:
        super().__init__("The file holds no G-code command.")


class InvalidUtf8(FileError):
    """The content is text, but not UTF-8: some printers stop in the middle of such a file."""

    code = "invalid_utf8"
    hint = (
        "Save the file as UTF-8. Usually a comment or an object's name holds the odd character: "
        "rename the object in the slicer and export again."
    )

    def __init__(self) -> None:
        super().__init__("The file is not valid UTF-8 text.")


class EmptyFile(FileError):
    """There is nothing in the content but white space: ask the user."""

    code = "empty_file"
    hint = "Export the file from the slicer again, and look at its size before uploading."

    def __init__(self) -> None:
        super().__init__("The file is empty.")


class TooLarge(FileError):
    """The content is over the configured limit; `limit` is in bytes."""

    code = "too_large"
    hint = "Split the model or slice it coarser, or have the administrator raise the limit."

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file is larger than the limit of {limit / 1e6:.0f} MB.")
        self.limit = limit


class LengthMismatch(FileError):
    """Fewer or more bytes arrived than were announced: upload again."""

    code = "length_mismatch"
    hint = "The transfer was cut or altered on its way: upload the file again."

    def __init__(self, arrived: int, announced: int) -> None:
        super().__init__(f"{arrived} bytes arrived, {announced} bytes were announced.")


class DigestMismatch(FileError):
    """The content that arrived has another hash than was announced: upload again."""

    code = "digest_mismatch"
    hint = "The content changed on its way: upload the file again."

    def __init__(self, arrived: str, announced: str) -> None:
        super().__init__(f"The content has the sha-256 {arrived}, announced was {announced}.")


class BadDigest(FileError):
    """The announced digest can't be read: a client's bug."""

    code = "bad_digest"
    hint = "Send Content-Digest as RFC 9530 says: sha-256=:<base64 of the 32 bytes>:"

    def __init__(self, given: str) -> None:
        super().__init__(f"Content-Digest cannot be read: {given[:100]!r}.")


class BadMultipart(FileError):
    """The body is not the multipart form it says it is, or carries no file: a client's bug."""

    code = "bad_multipart"
    hint = (
        "Send multipart/form-data with one part named `file` that has a file name, "
        "or the raw content with the header X-Filename."
    )

    def __init__(self, problem: str) -> None:
        super().__init__(f"The form cannot be read: {problem}.")


class BadName(FileError):
    """Nothing that can be shown is left of a new name: ask the user."""

    code = "bad_name"
    hint = "Give a name with at least one letter or digit."

    def __init__(self) -> None:
        super().__init__("The name has no visible character.")


class UnknownFile(FileError):
    """There is no such file: refuse."""

    code = "file_not_found"
    hint = "List the files: it may have been deleted."

    def __init__(self, file_id: str) -> None:
        super().__init__(f"There is no file {file_id}.")


class FileChanged(FileError):
    """The file was changed since it was read."""

    code = "version_mismatch"
    hint = "Read the file again and repeat the change on what it is now."

    def __init__(self, name: str) -> None:
        super().__init__(f"The file is named {name} by now.")


class FileInUse(FileError):
    """Jobs that are not finished still need the file; `jobs` are some of their numbers."""

    code = "file_in_use"
    hint = "Cancel these jobs or wait until they are finished, then delete the file."

    def __init__(self, jobs: tuple[int, ...] = ()) -> None:
        shown = ", ".join(f"#{number}" for number in jobs[:SHOWN])
        more = f" and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
        super().__init__(f"Unfinished jobs need the file: {shown}{more}.".replace(": .", "."))
        self.jobs = jobs


class ContentMissing(FileError):
    """The file is known, but its content is not in the store: somebody removed it."""

    code = "content_missing"
    hint = "Upload the same file again: it takes its old place, jobs and all."

    def __init__(self, sha256: str) -> None:
        super().__init__(f"The content {sha256[:12]}… is not in the store.")


class UploadsFull(FileError):
    """The disk has no room for the content, of which nothing was kept: retry after freeing some."""

    code = "storage_full"
    hint = "Delete files that are no longer needed or enlarge the disk, then upload again."

    def __init__(self, reserve: int = 0) -> None:
        kept = f" but the {reserve / 1e6:.0f} MB kept for the farm's own records"
        super().__init__(f"The disk has no room for the file{kept if reserve else ''}.")


class DiskFailed(FileError):
    """The disk refused to read or write; nothing of an upload was kept."""

    code = "storage_failed"
    hint = "Check that the data folder is mounted and writable, and the disk's health."

    def __init__(self, problem: str, doing: str) -> None:
        super().__init__(f"{problem} while {doing}.")


class UnknownUpload(FileError):
    """There is no such unfinished upload of this caller's, or it has expired: begin a new one."""

    code = "upload_not_found"
    hint = "Begin the upload anew; unfinished ones are kept for a day."

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"There is no upload {upload_id}.")


class WrongOffset(FileError):
    """Bytes were sent for another place than the one the upload is at; `offset` is that."""

    code = "offset_mismatch"
    hint = "Ask with HEAD where the upload is, and go on from there."

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload is at byte {offset}.")
        self.offset = offset


class TakenOver(FileError):
    """Another request goes on with the upload: this one has nothing more to do."""

    code = "upload_taken_over"
    hint = "Send an upload from one place at a time; ask with HEAD where it is."

    def __init__(self) -> None:
        super().__init__("Another request goes on with this upload.")


class TooManyUploads(FileError):
    """There are as many unfinished uploads as are let be: finish or delete some."""

    code = "too_many_uploads"
    hint = "Finish or delete unfinished uploads, or wait until they expire after a day."

    def __init__(self) -> None:
        super().__init__("There are too many unfinished uploads.")


class AnalysisFailed(FileError):
    """The analysis of a stored file gave no result; the file itself is intact."""

    code = "analysis_failed"
    hint = "The file can be printed, but its size and time are unknown: check that it fits."

    def __init__(self, problem: str) -> None:
        super().__init__(f"The file could not be analysed: {problem}.")


SHOWN = 5
