"""What a person's question asks for: whether it is about motion, and whether it wants a yes or a no.

The rules go by the kind of question, not by lists of questions: what it asks for (a colour, a name, a reason)
comes before the words of motion that it may contain ("What colour is the car that moves?").
"""

import re
from dataclasses import dataclass
from typing import Literal

from filters.claims import GO

Topic = Literal["motion", "reason", "other", "unread"]

LONGEST = 1000  # characters of a question that are read


@dataclass(frozen=True)
class Asked:
    """A question as it is understood.

    Attributes:
        topic: What it asks for: `motion`; the `reason` of a motion; something `other`; or it is `unread`, as it
            is not in English.
        stated: For a question to be answered with yes or no, what a yes would mean, as a statement ("the
            camera is moving"); None for other questions.
    """

    topic: Topic
    stated: str | None = None


def words(*patterns: str) -> re.Pattern[str]:
    """Compile a pattern for any of these as whole words."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


ENGLISH = words(
    r"the|an?|is|are|was|were|do|does|did|has|have|can|will|would|what|which|where|when|who|whose|how|why"
    r"|this|that|any\w*|something|describe|tell|explain|there|it|not|of|in|to"
)
MOTION = words(
    r"(?:un|im)?mov(?:e|es|ed|ing|ers?|ements?|able)|motion\w*|immobile|kinematics?|travel\w*|shift\w*",
    r"speeds?|speedy|velocit\w+|fast(?:er|est)?|quick\w*|slow\w*|rapid\w*|swift\w*|pace|accelerat\w+|decelerat\w+",
    r"directions?|trajector\w+|paths?|(?:which|what) way|leftwards?|rightwards?|upwards?|downwards?",
    r"still(?:ness)?|static|stationary|in place|at rest|locked|budg\w+|smooth(?:ly)?|stead(?:y|ily|iness)|stabl[ey]|stabili[sz]\w+|fixed|tripod|hand-?held",
    r"shak(?:es?|ing|y|iness)|jitter\w*|wobbl\w+|trembl\w+|vibrat\w+|sway\w*|swing\w*|swung|oscillat\w+",
    r"pan(?:s|ned|ning)?|tilt\w*|zoom\w*|roll(?:s|ed|ing)?|doll(?:y|ies|ied|ying)|truck(?:ing|ed|s?(?= (?:left|right)))|tracking"
    r"|pedestal\w*|arc(?:s|ed|ing)|orbit\w*|cran(?:ing|ed)|camera ?work",
    r"turn(?:s|ed|ing)?|spin(?:s|ning)?|spun|rotat\w+|revolv\w+|circl(?:es|ing|ed)|twist\w*|tumbl\w+",
    r"push\w*|pull\w*|thrown?|throw(?:s|ing)|kick\w*|lift\w*|rais(?:es?|ed|ing)|lower(?:s|ed|ing)|drag\w*",
    r"leap\w*|danc(?:es?|ed|ing)|bend(?:s|ing)?|nod(?:s|ding)?|wav(?:es|ed|ing)|gestur\w+|stroll\w*|hurr(?:y|ies|ying)",
    r"approach\w*|reced\w+|retreat\w*|leav(?:es?|ing)|enter(?:s|ed|ing)?|exit\w*|follow\w*|chas(?:es?|ed|ing)"
    r"|overtak\w+|colli\w+|bounc\w*|stops?|stopp\w+|halt\w*|head(?:ed|ing)|arriv\w+|depart\w*|closer|nearer",
    r"(?:grow|shrink|get)(?:s|ing)?(?: any)? (?:larger|bigger|smaller|closer)|grow(?:s|ing)?|shrink\w*|wider|widen\w*|narrow\w*|tight(?:er|en)\w*",
    r"actions?|activit(?:y|ies)|behav\w+|happen\w*|going on|tak(?:es?|ing) place|doing|perform\w*|chang\w+",
    r"do(?:es)? [^?]+ do\b",
    r"(?:describe|summari[sz]e)(?: [a-z]+)? (?:camera|video|clip|scene|shot|footage)",
)
# What a question may ask for that is not motion, wherever it stands as what is wanted.
WANTED = (
    r"colou?rs?|numbers?(?! of)|brands?|makes?|models?|logos?|texts?|captions?|words?|letters?|signs?|plates?|languages?|names?|titles?"
    r"|ages?|genders?|moods?|emotions?|feelings?|expressions?|atmosphere|weather|seasons?|years?|date|temperature"
    r"|time of (?:the )?(?:day|year)|country|city|town|place|location|room|venue|breeds?|species|materials?|fabric"
    r"|cloth(?:es|ing)|outfits?|uniforms?|hair\w*|eyes|shirts?|jackets?|dress(?:es)?|hats?|shoes?|patterns?|shapes?"
    r"|music|songs?|sounds?|noises?|voices?|price|cost|resolution|frame ?rate|fps|codec|lighting|light|lens|style|genre"
    r"|kinds?|types?|sorts?|sport|game|instruments?|food|animals?|vehicles?|objects?|things?|people|person|background"
)
OTHER = (
    re.compile(rf"\b(?:what|which)(?:'s| is| are| was| were)? (?:(?:the|of|an?|main|exact|dominant) )*(?:{WANTED})\b(?! of (?:\w+ )?(?:motion|move\w*))(?! (?:do|does|is|are|was|were|has|have|that|which|in)? ?{GO})(?! (?:is|are|do|does) (?:the |in )?(?:camera|motion))", re.IGNORECASE),
    re.compile(r"^\W*what(?:'s| is| are) (?:behind|in front of|next to|beside|under|above|on|inside|near|around|between)\b", re.IGNORECASE),
    re.compile(r"\bcolou?r(?:s|ed|ful)?\b(?! (?:object|thing|car|ball|shape)s?\b)", re.IGNORECASE),
    re.compile(r"\b(?:wear(?:s|ing)?|worn|dressed|made of|look(?:s|ing)? like|called|written|printed|said|says?|saying|speak\w*|talk\w*|sing(?:s|ing)?|sung|hear(?:s|d)?|smell\w*|taste\w*|cost|belong\w*|depict\w*|filmed (?:in|at|with|on|by)(?! (?:an?|the) (?:fixed|static|still|moving|steady|shaky|hand-?held|tripod|stationary))|shot (?:in|at|with|on|by)(?! the (?:left|right))|recorded (?:in|at|with|on|by))\b", re.IGNORECASE),
    re.compile(r"\bhow (?:old|tall|heavy|expensive|bright|dark|warm|cold|deep|beautiful|good|long is (?:the|this) (?:video|clip|film|shot))\b", re.IGNORECASE),
    re.compile(r"^\W*who(?:'s|se| is| are| was)?\b(?! \w*mov| (?:is |are )?(?:\w+ing|go|run|walk)| (?:turn|jump|danc|enter|leav))", re.IGNORECASE),
    re.compile(r"^\W*where (?:is|are|was|were|does|did) (?!(?:[^?]* (?:going|head\w*|moving|mov\w*|go|head|travel\w*|driv\w*|walk\w*|run\w*|com\w*|fly\w*|fall\w*|turn\w*)\b))", re.IGNORECASE),
    re.compile(r"^\W*(?:(?:please|can you|could you) )*(?:count|list|name|read|identify|recogni[sz]e|translate|transcribe)\b(?! [^?]*(?:mov|motion))", re.IGNORECASE),
)  # fmt: skip
# A quality that is asked for at the end of a question: "Is the car that moves red?"
QUALITY = re.compile(
    r"^\W*(?:is|are|was|were|isn't|aren't)\b.*\b(?:red|green|blue|yellow|orange|purple|violet|pink|brown|black|white|gr[ae]y|gold\w*"
    r"|silver|old|young|new|tall|short|big|large|small|tiny|huge|heavy|happy|sad|angry|smiling|crying|beautiful|ugly|pretty"
    r"|sunny|rainy|cloudy|dark|bright|night|day|daytime|indoors?|outdoors?|inside|outside|male|female|m[ae]n|wom[ae]n|human|real|fake"
    r"|animated|ai-generated|asleep|alive|dead|wet|dry|broken|expensive|famous|blurry|sharp|in focus|visible|present)\W*$",
    re.IGNORECASE,
)
REASON = re.compile(r"^\W*(?:why|how come|for what reason|what(?:'s| is| was) the (?:reason|purpose|point)|what (?:makes|made|causes|caused))\b", re.IGNORECASE)  # fmt: skip

# What people put before the question proper.
POLITE = re.compile(
    r"^\W*(?:(?:please|hi|hello|hey|so|and|ok(?:ay)?|well|now|um+)\b[\s,.!]*"
    r"|(?:in|throughout|during|over) (?:this|the) (?:whole |entire )?(?:video|clip|scene|shot|footage)\s*,\s*"
    r"|(?:(?:can|could|would|will) you )?(?:please )?(?:tell|show|let) (?:me|us)(?: know)?\s*[,:]\s*"
    r"|(?:yes or no|quick question|question)\s*[:,]\s*)+",
    re.IGNORECASE,
)
WHETHER = re.compile(
    r"^\W*(?:(?:(?:can|could|would|will) you )?(?:please )?(?:tell|say|check|determine|confirm|see|let)(?: (?:me|us))?(?: know)?"
    r"|i(?:'d| would) like to know|i(?:'m| am)? wonder(?:ing)?|i want to know|do you know)\s+(?:whether|if)(?: or not)?\s+",
    re.IGNORECASE,
)
TRUE_THAT = re.compile(
    r"^\W*(?:is it (?:true|right|correct|the case|possible)(?: to say)?(?: that)?|would you (?:say|agree)(?: that)?"
    r"|do you (?:think|agree|believe)(?: that)?|can (?:you|one|we) (?:confirm|say)(?: that)?)\s+",
    re.IGNORECASE,
)
CALLED = re.compile(
    r"^\W*(?:would|do) you (?:call|consider) (.+?) (?:to be )?((?:an? )?[\w-]+(?: (?:shot|one|camera))?)$",
    re.IGNORECASE,
)
SEEN = re.compile(
    r"^\W*(?:(?:do|does|did|can|could) (?:you|one|we|i|the (?:video|clip|shot|footage))(?: \w+ly)? "
    r"(?:see|notice|detect|observe|spot|find|show|contain|have|feature|make out)"
    r"|(?:is|are|was|were)(?:n't)? there|has there been)\s+",
    re.IGNORECASE,
)
TAG = re.compile(
    r"(?:,\s*(?:(?:is|are|does|do|did|was|were|has|have)(?:n't| not)? (?:it|they|he|she|there)|right|correct|yes|no|am i right)|,?\s+or (?:not|no))\s*$",
    re.IGNORECASE,
)
AUXILIARY = re.compile(
    r"^\W*(?P<aux>do|does|did|is|are|was|were|has|have|had|can|could|will|would)(?P<no>n't)?\s+(?P<rest>.+)$",
    re.IGNORECASE,
)
# Verbs of motion after "does", which the claim reader knows with an ending only.
INFINITIVE = re.compile(
    r"\b(?:go|come|rise|fall|drop|sink|climb|ascend|descend|push|pull|cross|approach|retreat|orbit|circle|swing|fly|grow|shrink"
    r"|shake|shift|recede|tremble|wobble|jump|leap|lift|swerve|accelerate|decelerate|rotate|stay|remain|stand)\b",
    re.IGNORECASE,
)
# Where the predicate of "is the big dog running to the left" begins.
PREDICATE = re.compile(
    r"\s(?=(?:(?:not|ever|always|constantly|still|also|just|only|\w+ly|being|been|mostly) )*(?:(?!(?:thing|anything|something|nothing|everything|building|ceiling|string|king|ring|wing|during|evening|morning)\b)\w+ing|still|static|stationary|stead(?:y|ily)"
    r"|stable|motionless|fixed|immobile|unmoving|shaky|jittery|wobbly|unsteady|hand-?held|at rest|in motion|on (?:a|the) tripod|panned|tilted|zoomed|rotated|moved|mounted"
    r"|locked|(?:an? )(?:static|fixed|still|moving|steady|shaky|hand-?held|tripod|panning|tracking)\b|the same|faster|slower|quicker|closer|larger|smaller|bigger)\b)",
    re.IGNORECASE,
)
# Two states, or two culprits, between which a question asks to choose; and a second question after "or".
_STATE = r"(?:still|static|steady|stable|stationary|fixed|motionless|moving|moves?|shaky|shakes|hand-?held|in motion|at rest)"
_WHO = r"(?:objects?|camera|subjects?|person|people|background|things?)"
_RATE = (
    r"(?:faster|slower|quicker|larger|smaller|bigger|fast|slow|quickly|slowly|clockwise|counter-?clockwise)"
)
CHOICE = re.compile(
    "|".join(
        rf"\b{group}\b[^?]{{0,40}}?,? or (?:(?!not\b)[\w-]+ ){{0,4}}?{group}\b"
        for group in (_STATE, _WHO, _RATE)
    )
    + r"|\bor (?:does|do|did|is|are|was|were|has|the other way|rather|else|just)\b",
    re.IGNORECASE,
)


def read(question: str) -> Asked:
    """Decide what a question asks for.

    Args:
        question: As a person wrote it.
    """
    text = " ".join(question[:LONGEST].replace("\u2019", "'").split())
    letters = [letter for letter in text if letter.isalpha()]
    plain = sum(map(str.isascii, letters)) >= 0.8 * len(letters)
    if not plain or (text.count(" ") > 1 and not ENGLISH.search(text) and not MOTION.search(text)):
        return Asked("unread")
    first = _main_sentence(POLITE.sub("", text))
    about = TRUE_THAT.sub("is ", WHETHER.sub("is ", first))
    if REASON.search(first):
        return Asked("reason" if MOTION.search(first) or re.search(GO, first, re.IGNORECASE) else "other")
    if any(rule.search(about) for rule in OTHER) or QUALITY.search(about):
        return Asked("other")
    if not MOTION.search(first) and not re.search(GO, first, re.IGNORECASE):
        return Asked("other")
    return Asked("motion", stated(first))


def _main_sentence(text: str) -> str:
    """The first sentence that asks something, without what is asked in case it is so."""
    parts = [part.strip() for part in re.split(r"(?<=[?!])\s+|(?<=[a-z]{2}\.)\s+", text) if part.strip()]
    asking = [part for part in parts if "?" in part] or parts[:1] or [text]
    return re.sub(r",?\s*(?:and|or)?,?\s*if (?:so|yes|it does|it is|they do|any)\b.*$", "", asking[0]).rstrip(
        "?!. "
    )


def stated(question: str) -> str | None:
    """Turn a question for yes or no into the statement that a yes makes.

    Args:
        question: One sentence, without the question mark.

    Returns:
        None for a question that wants something else, such as which of two ways something moves.
    """
    untagged = TAG.sub("", question)
    if untagged != question and not AUXILIARY.search(untagged) and not _asks_what(untagged):
        return untagged  # "The camera moves, doesn't it?"
    question = untagged
    if CHOICE.search(question):
        return None
    for opening in (WHETHER, TRUE_THAT):
        if match := opening.search(question):
            rest = question[match.end() :]
            return stated(rest) or (None if _asks_what(rest) else rest)
    if match := CALLED.search(question):
        return stated(f"is {match[1]} {match[2]}")
    if match := SEEN.search(question):
        return f"there is {question[match.end() :]}"
    if not (match := AUXILIARY.search(question)):
        return None
    auxiliary, rest = match["aux"].lower(), match["rest"]
    if auxiliary in ("can", "could", "will", "would") and re.match(
        r"(?:you|we|one|i)\b", rest, re.IGNORECASE
    ):
        return None  # "Can you describe ...?"
    if auxiliary in ("is", "are", "was", "were", "has", "have", "had"):
        split = PREDICATE.search(rest)
        return f"{rest[: split.start()]} is {rest[split.end() :]}" if split else rest
    return INFINITIVE.sub(_conjugated, rest, count=1) if auxiliary in ("do", "does", "did") else rest


def _conjugated(match: re.Match[str]) -> str:
    verb = match[0]
    ending = "es" if verb.endswith(("o", "sh", "ss")) else "ies" if verb == "fly" else "s"
    return verb.removesuffix("y" if verb == "fly" else "") + ending


def _asks_what(text: str) -> bool:
    return bool(
        re.match(
            r"\W*(?:what|which|where|when|who|whose|how|why|describe|tell|name|give)\b", text, re.IGNORECASE
        )
    )
