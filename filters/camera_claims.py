"""What a clause about the camera claims: the nearest verb to a direction tells whether it turns or travels.

People pan, tilt and roll a camera by turning it, truck, pedestal and dolly it by moving it, and zoom with the lens.
What they say of the view ("closes in") leaves that open.
"""

import re
from collections.abc import Iterator, Mapping

VERBS = re.compile(
    r"\b(?:(?P<zoom>zoom\w*)"
    r"|(?P<pan>pan(?:s|ned|ning)?|swivel\w*|yaw\w*|rotat\w+|turn(?:s|ed|ing)?|whip\w*|pivot\w*|sweep\w*|swept|swing\w*|swung|looks?|looking|looked)"
    r"|(?P<tilt>tilt\w*|pitch(?:es|ed|ing)|angl(?:es|ed|ing))"
    r"|(?P<roll>roll\w*)"
    r"|(?P<arc>arc(?:s|ed|ing)?|orbit\w*|circl(?:es|ed|ing)|revolv\w+)"
    r"|(?P<travel>mov(?:e|es|ed|ing|ement|ements)|motion|travel\w*|truck\w*|doll(?:y|ys|ies|ied|ying)|track(?:s|ed|ing)?|follow(?:s|ed|ing)?"
    r"|slid(?:e|es|ing)?|glid(?:e|es|ed|ing)|drift\w*|shift\w*|fl(?:y|ies|ew|ying|own)|push(?:es|ed|ing)?|pull(?:s|ed|ing)?|pedestal\w*"
    r"|cran(?:e|es|ed|ing)|boom(?:s|ed|ing)?|jib\w*|ris(?:e|es|ing)|rose|ascend\w*|descend\w*|lower(?:s|ed|ing)?|lift(?:s|ed|ing)?"
    r"|climb\w*|advanc\w+|retreat\w*|back(?:s|ed|ing)(?= (?:away|up|off|out))|clos(?:es|ed|ing)(?= in)|com(?:es|ing)|go(?:es|ing)|went|driv\w+|drove|walk\w*|ran|runs?|running"
    r"|inch(?:es|ed|ing)|creep\w*|drop(?:s|ped|ping)?|sink\w*|dip(?:s|ped|ping)|progress\w*|proceed\w*|sail\w*|float\w*|hover\w*|head(?:s|ed|ing)|transition\w*|ease[sd]?|easing))\b",
    re.IGNORECASE,
)
VIEW = re.compile(
    r"\b(?:the|our|this) (?:view(?!point|er)|picture|framing|image)\b(?! (?:of|from) (?:a|an|the) camera)",
    re.IGNORECASE,
)
# "A panning motion": the noun only says that it is one.
MANNER = re.compile(
    r"\b(?:pan|tilt|zoom|roll|truck|doll|track|arc|orbit|pedestal|cran)\w* (?:motion|movement)s?$",
    re.IGNORECASE,
)
REACH = 70  # characters between a direction and its verb
PLACES = r"(?! (?:there|the|a|an|this|that|his|her|its|their|sync|place|front|order|unison|tandem|contrast|line|time|focus|response|addition|parallel|between|which|all|both|one|real|it|mid|slow|fast)\b)"
IN = rf"\b(?:forwards?|closer|nearer|inwards?|in(?!-){PLACES})\b|\b(?:into|towards?)\b(?! (?:the|its|their|his|her) (?:\w+[ -]){{0,2}}?(?:left|right|top|bottom|upper|lower|ceiling|sky|floor|ground)\b)(?! VIEWER)"
OUT = r"\b(?:backwards?|back(?=\W|$)(?! (?:and forth|to the|of|in\b|at|down|up|left|right))|away|outwards?|out(?! of\b(?! (?:the|there)))|farther|further (?:back|away|out))\b"
DIRECTIONS = {"in": IN, "out": OUT}
IMPLIED = {
    "pedestal_up": re.compile(
        r"\b(?:rises|rising|rose|ascends?|ascended|ascending|climbs|climbing|lifts(?: off)?|(?:booms?|cranes?) up)\b",
        re.IGNORECASE,
    ),
    "pedestal_down": re.compile(
        r"\b(?:descends?|descended|descending|lowers|lowering|dips|(?:booms?|cranes?) down)\b", re.IGNORECASE
    ),
    "dolly_in": re.compile(
        r"\b(?:approach(?:es|ed|ing)?|advanc(?:es|ed|ing)|push(?:es|ed|ing)?[ -]in)\b", re.IGNORECASE
    ),
    "dolly_out": re.compile(
        r"\b(?:retreats?|retreated|retreating|recedes?|receding|pull(?:s|ed|ing)?[ -]?(?:back|out)|back(?:s|ed|ing) (?:away|up|off|out))\b",
        re.IGNORECASE,
    ),
    "view_in": re.compile(r"\b(?:tightens|tightening)\b|\bgrows? tighter\b", re.IGNORECASE),
    "view_out": re.compile(r"\b(?:widens|widening)\b|\bgrows? wider\b", re.IGNORECASE),
    "arc": re.compile(
        r"\b(?:arc(?:s|ed|ing)|orbit(?:s|ed|ing)?|circl(?:es|ed|ing)|revolv(?:es|ed|ing))\b|\barc(?:ing)? (?:shot|motion|movement)\b",
        re.IGNORECASE,
    ),
}
CLOCKWISE = re.compile(
    r"(?<!counter)(?<!counter-)(?<!anti)(?<!anti-)\b(?P<counter>(?:counter|anti)-?)?clockwise\b",
    re.IGNORECASE,
)
# By the kind of the verb: what each direction claims.
KINDS = {
    "pan": {"left": "pan_left", "right": "pan_right", "up": "tilt_up", "down": "tilt_down"},
    "tilt": {"up": "tilt_up", "down": "tilt_down"},
    "zoom": {"in": "zoom_in", "out": "zoom_out"},
    "travel": {
        "left": "truck_left",
        "right": "truck_right",
        "up": "pedestal_up",
        "down": "pedestal_down",
        "in": "dolly_in",
        "out": "dolly_out",
    },
}
TO_AND_FRO = re.compile(r"(?:back and forth|(?:from )?side to side|to and fro|left and right)", re.IGNORECASE)


def ways(
    clause: str, directions: Mapping[str, re.Pattern[str]], open_: bool = False
) -> Iterator[tuple[str, re.Match[str]]]:
    """Find the moves that a clause claims, each with the words that claim it.

    Args:
        clause: A clause about the camera, or about the view.
        directions: Patterns for `left`, `right`, `up`, `down`, `in` and `out`.
        open_: The clause is about the view, not about what the camera does.

    Yields:
        Predicates, as in `filters.claims.Claim`.
    """
    verbs = [it for it in VERBS.finditer(clause) if not MANNER.search(clause[: it.end()])]
    for way, pattern in directions.items():
        for match in pattern.finditer(clause):
            kind = _kind(match, verbs)
            if claimed := KINDS.get(kind, {}).get(way):
                yield (f"view_{way}" if open_ and kind == "travel" else claimed), match
    for match in CLOCKWISE.finditer(clause):
        kind = _kind(match, [verb for verb in verbs if verb.lastgroup in ("roll", "arc")])
        turn = "counterclockwise" if match["counter"] else "clockwise"
        yield f"{'arc' if kind == 'arc' else 'roll'}_{turn}", match
    if both := TO_AND_FRO.search(clause):
        of_kind = KINDS.get(_kind(both, verbs), {})
        yield from ((of_kind[way], both) for way in ("left", "right") if way in of_kind)
    for name, rule in IMPLIED.items():
        if implied := rule.search(clause):
            yield name, implied


def _kind(match: re.Match[str], verbs: list[re.Match[str]]) -> str:
    """The kind of the verb that a direction belongs to: the nearest, rather one before it; "" for none."""
    near = [
        (match.start() - verb.end() if verb.end() <= match.start() else 15 + verb.start() - match.end(), verb)
        for verb in verbs
    ]
    near = [(away, verb) for away, verb in near if away <= REACH]
    return (min(near, key=lambda pair: pair[0])[1].lastgroup or "") if near else ""
