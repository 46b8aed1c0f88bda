"""The language of a body, to greet in it: the words that the brand voice has for greeting and sign-off."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Courtesy:
    """Greeting and sign-off in one language. `greeting` takes a name, `greeting_alone` does without."""

    greeting: Callable[[str], str]
    greeting_alone: str
    sign_off: str
    # Short words that every text in the language has, and few texts in the others.
    _common: frozenset[str]

    def common_in(self, words: list[str]) -> int:
        """How many of the words are among this language's commonest."""
        return sum(1 for word in words if word in self._common)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = Courtesy(
    "Hello {},".format,
    "Hello,",
    "Kind regards,",
    _words("the and you your is are to of for with this that can we our have not it on if open select when how"),
)
_OTHERS = (
    Courtesy(
        "Guten Tag {},".format,
        "Guten Tag,",
        "Freundliche Grüße",
        _words("der die das und sie ihr ihre ist sind nicht mit für auf ein eine wir können zu im den dem auch werden"),
    ),
    Courtesy(
        "Bonjour {},".format,
        "Bonjour,",
        "Bien cordialement,",
        _words("le la les et vous votre est sont pas avec pour sur un une nous pouvez des du dans que cette ce vos"),
    ),
    Courtesy(
        "Hola, {}:".format,
        "Hola:",
        "Un cordial saludo,",
        _words("el la los las y usted su es son no con para en un una puede puedes del que esta este si tu cómo"),
    ),
    Courtesy(
        "Olá, {},".format,
        "Olá,",
        "Atenciosamente,",
        _words("o a os as e você seu sua é são não com para em um uma pode do da que esta este no na como"),
    ),
)
_CHARACTERS_MAX = 2000
_COMMON_MIN = 3
_WORD = re.compile(r"[^\W\d_]+")


def courtesy_of(body: str) -> Courtesy:
    """The courtesies of the body's language; English unless another one is clearly it."""
    words = _WORD.findall(body[:_CHARACTERS_MAX].lower())
    best = max(_OTHERS, key=lambda courtesy: courtesy.common_in(words))
    found = best.common_in(words)
    return best if found >= _COMMON_MIN and found > ENGLISH.common_in(words) else ENGLISH
