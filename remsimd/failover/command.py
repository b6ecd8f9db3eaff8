"""Running a system program without a shell, with its own words in the error."""

import asyncio

from remsimd.errors import RouteError
from remsimd.programs import running

LIMIT_S = 10.0


async def run(*argv: str, stdin: str = "", limit_s: float = LIMIT_S) -> tuple[int, str, str]:
    """Exit status, output, error text; RouteError when it cannot be started or takes over `limit_s` (10 s).

    The program is killed when the caller is cancelled.
    """
    pipe = asyncio.subprocess.PIPE
    try:
        async with (
            running(*argv, stdin=pipe, stdout=pipe, stderr=pipe) as process,
            asyncio.timeout(limit_s),
        ):
            out, err = await process.communicate(stdin.encode())
            status = await process.wait()
    except TimeoutError as error:
        raise RouteError(f"{argv[0]}: no end within {limit_s:g} s") from error
    except OSError as error:
        raise RouteError(f"{argv[0]}: {error.strerror}") from error
    return status, out.decode(errors="replace"), err.decode(errors="replace").strip()
