"""nftables by libnftables, in this process and in its network namespace: no program is started for a change."""

import ctypes
import ctypes.util


class NftError(Exception):
    """A script that the kernel or the parser refused. Nothing of it was applied."""


class Nft:
    """Raises OSError where the library is not installed."""

    def __init__(self) -> None:
        library = ctypes.CDLL(ctypes.util.find_library("nftables") or "libnftables.so.1")
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        self._library = library
        self._context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, script: str) -> str:
        """All commands in one transaction; what they print. Raises NftError."""
        failed = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
        output: bytes = self._library.nft_ctx_get_output_buffer(self._context) or b""
        errors: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise NftError(errors.decode(errors="replace").strip() or "nft failed without a word")
        return output.decode(errors="replace")

    def close(self) -> None:
        self._library.nft_ctx_free(self._context)
