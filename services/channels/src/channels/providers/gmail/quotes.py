"""The words that somebody wrote, without what their mail program added: earlier mails, signatures.

Losing a customer's words is worse than keeping a program's: a rule applies only where the whole shape fits, and a mail
of which nothing would be left is kept as it is. What was forwarded stays: it is what the mail is about.
"""

from __future__ import annotations

import re

from email_reply_parser import EmailMessage

# The parser's own rules take more than linear time; this much holds all that is kept twice over.
CHARACTERS_READ_MAX = 20_000

# A line that leads an earlier mail in: "On Mon, 3 Nov 2025 at 10:12, Ada <ada@example.com> wrote:". In the languages of
# Gmail, Apple Mail and Thunderbird: English, German, French, Spanish, Portuguese, Italian, Dutch, Polish, Scandinavian.
_INTRODUCTION = re.compile(
    r"^[ \t*]*(?:"
    r"On\b.{4,300}\bwrote"
    r"|Am\b.{4,300}\bschrieb\b.{0,200}"
    r"|Le\b.{4,300}\ba écrit[ \u00a0\u202f]?"
    r"|El\b.{4,300}\bescribió"
    r"|(?:Em|No dia|A)\b.{4,300}\bescreveu"
    r"|Il\b.{4,300}\bha scritto"
    r"|Op\b.{4,300}\bschreef\b.{0,200}"
    r"|W dniu\b.{4,300}\b(?:pisze|napisał\(?a?\)?)"
    r"|(?:Den|På|Fra)\b.{4,300}\b(?:skrev|skrifaði)\b.{0,200}"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.{0,200}<[^<>\s]+@[^<>\s]+>"
    r")\s?:[ \t*]*$",
)
_INTRODUCTION_LINES_MAX = 3
_INTRODUCTION_CHARACTERS_MAX = 400
_DATED_OR_ADDRESSED = re.compile(r"\d[\d.:/h-]|<?[^\s<>]+@[^\s<>]+>?")

_ORIGINAL = re.compile(
    r"^[ \t]*-{2,}\s*(?:Original Message|Original Appointment|Ursprüngliche Nachricht|Originalnachricht"
    r"|Message d'origine|Message original|Mensaje original|Mensagem original|Messaggio originale"
    r"|Oorspronkelijk bericht|Oprindelig meddelelse|Ursprungligt meddelande|Wiadomość oryginalna)\s*-{2,}[ \t]*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^[ \t>]*(?:-{2,}\s*(?:Forwarded message|Weitergeleitete Nachricht|Message transféré|Mensaje reenviado"
    r"|Mensagem encaminhada|Messaggio inoltrato|Doorgestuurd bericht)\b|Begin forwarded message:"
    r"|Anfang der weitergeleiteten (?:Nachricht|E-Mail):|Début du message transféré)",
    re.IGNORECASE | re.MULTILINE,
)
# Outlook's block over an earlier mail: a From line, and at least two of the others next to it.
_FROM = re.compile(r"^[ \t*]*(?:From|Von|De|Da|Van|Från|Fra|Od)[ \u00a0]?:[* \t]+\S", re.IGNORECASE)
_BESIDE_FROM = re.compile(
    r"^[ \t*]*(?:Sent|Date|To|Cc|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado(?: el)?|Fecha|Para|Asunto"
    r"|Data|Assunto|Inviato|A|Oggetto|Verzonden|Aan|Onderwerp|Skickat|Till|Ämne|Sendt|Til|Emne|Wysłano|Do|Temat)"
    r"[ \u00a0]?:[* \t]+\S",
    re.IGNORECASE,
)
_BESIDE_LINES = 6
_RULE = re.compile(r"^[ \t]*[_-]{8,}[ \t]*$")

_SIGNATURE = re.compile(r"^--[ \t]?$")
_SIGNATURE_LINES_MAX = 15
_SENT_FROM = re.compile(
    r"^[ \t]*(?:Sent from (?:my|Mail for|Outlook for|Yahoo|Proton|Samsung)\b.{0,60}|Get Outlook for .{0,40}"
    r"|(?:Von|Gesendet von) (?:meinem|meiner|Outlook für|Mail für)\b.{0,60}|Envoyé (?:de|depuis) mon\b.{0,60}"
    r"|Enviado (?:desde mi|do meu|de meu)\b.{0,60}|Inviato da(?:l mio)?\b.{0,60}|Verstuurd vanaf mijn\b.{0,60}"
    r"|Skickat från min\b.{0,60}|Sendt fra min\b.{0,60}|Wysłane z\b.{0,60})[ \t]*$",
    re.IGNORECASE,
)
_NEVER = re.compile(r"(?!)")


def is_forwarded(text: str) -> bool:
    """Whether the text begins with another's mail that was passed on."""
    return _FORWARDED.match(text) is not None


def own_words(text: str) -> str:
    """What the sender wrote in this mail. The whole text where nothing would be left.

    Reads at most 20 000 characters; a text that is forwarded keeps what was forwarded.
    """
    text = text[:CHARACTERS_READ_MAX]
    forwarded = _FORWARDED.search(text)
    if forwarded is not None:
        return text.strip()
    reply = _Reply(_above_earlier_mails(text)).read().reply
    return _without_signature(reply).strip() or text.strip()


class _Reply(EmailMessage):  # type: ignore[misc]  # published without types
    """The library's reading of what is quoted by ">", with those of its rules off that guess.

    Its signature rule takes a list of dashes for one, its header rule hides all that is behind a line "To: …", and its
    rule for quote headers needs time that grows with the cube of the text. The rules of this module stand for them.
    """

    SIG_REGEX = _NEVER
    HEADER_REGEX = _NEVER
    QUOTE_HDR_REGEX = _NEVER
    MULTI_QUOTE_HDR_REGEX = _NEVER
    MULTI_QUOTE_HDR_REGEX_MULTILINE = _NEVER


def _above_earlier_mails(text: str) -> str:
    """The lines above the first earlier mail, without the lines that lead quotations by ">" in."""
    kept: list[str] = []
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        introduced = _introduction_lines(lines, index)
        if introduced and any(line.lstrip().startswith(">") for line in lines[index + introduced :]):
            # Its end can be told by the marks, and what is not marked may be answers in between or below.
            index += introduced
            continue
        if introduced or _ORIGINAL.match(lines[index]) or _is_outlook(lines, index):
            while kept and (not kept[-1].strip() or _RULE.match(kept[-1])):
                kept.pop()
            # With nothing above, the earlier mail is all there is.
            return "\n".join(kept) if kept else text
        kept.append(lines[index])
        index += 1
    return "\n".join(kept)


def _introduction_lines(lines: list[str], index: int) -> int:
    """How many lines, up to three, the introduction takes that begins here and has a date, an address or quotes behind.

    0 where none begins.
    """
    joined = ""
    for count, line in enumerate(lines[index : index + _INTRODUCTION_LINES_MAX], 1):
        if not line.strip() or len(line) > _INTRODUCTION_CHARACTERS_MAX:
            return 0
        joined = f"{joined} {line.strip()}".strip()
        if joined.endswith((":", ":*")):
            if _INTRODUCTION.match(joined) is None:
                return 0
            behind = next((line for line in lines[index + count : index + count + 3] if line.strip()), "")
            sure = behind.lstrip().startswith(">") or _DATED_OR_ADDRESSED.search(joined) is not None
            return count if sure else 0
    return 0


def _is_outlook(lines: list[str], index: int) -> bool:
    if not _FROM.match(lines[index]):
        return False
    beside = lines[index + 1 : index + 1 + _BESIDE_LINES]
    return sum(1 for line in beside if _BESIDE_FROM.match(line)) >= 2


def _without_signature(text: str) -> str:
    lines = text.rstrip().split("\n")
    for back in range(1, min(_SIGNATURE_LINES_MAX + 1, len(lines)) + 1):
        if _SIGNATURE.match(lines[-back]) and back < len(lines):
            lines = lines[:-back]
            break
    while lines and (not lines[-1].strip() or (_SENT_FROM.match(lines[-1]) and len(lines) > 1)):
        lines.pop()
    return "\n".join(lines)
