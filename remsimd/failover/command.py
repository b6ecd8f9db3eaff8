"""Running a system program without a shell, with its own words in the error."""

import asyncio
import contextlib

from remsimd.errors import RouteError

LIMIT_S = 10.0


async def run(*argv: str, stdin: str = "", limit_s: float = LIMIT_S) -> tuple[int, str, str]:
    """Exit status, output, error text; RouteError when it cannot be started or takes over `limit_s` (10 s).

    The program is killed when the caller is cancelled.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise RouteError(f"{argv[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError as error:
        raise RouteError(f"{argv[0]}: no end within {limit_s:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return await process.wait(), out.decode(errors="replace"), err.decode(errors="replace").strip()
