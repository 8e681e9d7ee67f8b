"""Whether a list fits in what the prompt leaves of the model's context."""

from __future__ import annotations

from steerec.errors import RequestError
from steerec.items.identifier import Identifier


def check_room(identifier: Identifier, *, prompt: int, count: int, context_length: int) -> None:
    """Refuse a list that might not fit, whichever items it holds.

    Args:
        identifier: how items are spelled.
        prompt: tokens of the prompt.
        count: items of the list.
        context_length: tokens that the model can hold, prompt and answer (with its end token) together.

    Raises:
        RequestError: it does not fit; the message names the largest count that does.
    """
    room = context_length - prompt - 1
    needed = identifier.answer_length(count)
    if needed <= room:
        return
    largest = identifier.largest_count(max(room, 0))
    advice = f"Ask for at most {largest}" if largest else "No list fits"
    raise RequestError(
        f"A list of {count} may need {needed + 1:,} tokens, and the prompt of {prompt:,} leaves "
        f"{max(context_length - prompt, 0):,} of the model's {context_length:,}. {advice}, or shorten the "
        "history or the words of the prompt."
    )
