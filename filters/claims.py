"""The claim reader: finds the statements about motion in an English text that can be checked.

It reads claims about direction, zoom, roll, stillness and shake of the camera, and about direction and its
order, pace, size and stillness of objects. It skips what it cannot read and what is hedged.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from filters.camera_claims import DIRECTIONS, VERBS, VIEW, ways

Subject = Literal["camera", "object"]


@dataclass(frozen=True)
class Claim:
    """One checkable statement, such as "the camera pans left" or "no object moves up".

    Attributes:
        subject: Whether it is about the camera or about objects.
        predicate: For the camera a label (`pan_left` ..., `static`, `shake`), `arc` for one without a direction,
            `view_left` and the like where the text leaves open whether the camera turns or travels, or `moves`.
            For objects
            `moves_left` and the like, `moves_left_then_right` (one object, in this order), `to_and_fro`,
            `speeds_up`, `slows_down`, `faster` (one object than another), `same_speed` (two objects),
            `grows` (or comes closer), `shrinks`, `still` (some object is at rest), `none_moves` (all are).
        negated: The text denies it.
    """

    subject: Subject
    predicate: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{'not ' if self.negated else ''}{self.subject}:{self.predicate}"


def words(*patterns: str) -> re.Pattern[str]:
    """Compile a pattern for any of the patterns as whole words, in upper or lower case."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


# What is read of a text, and of a sentence, in characters: no answer is longer, and patterns take their time with
# endless ones.
TEXT_MAX, SENTENCE_MAX = 20_000, 1_000
REPEATED = ((re.compile(r"[^\S\n]+"), " "), (re.compile(r"([^\w\s])\1{3,}"), r"\1\1\1"))
# Replacements before the text is split into clauses: mostly cameras and views that do nothing themselves.
REWRITE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("[\u2019`]"), "'"),
    (re.compile(r"^(?:yes|no)[,.:]\s*", re.IGNORECASE), ""),
    (words(r"not (?:only|just|merely)|as well as"), "and"),
    (words(r"(?:the )?(?:person|man|woman|someone|operator) (?:holding|behind|operating|carrying) the camera"), "the camera"),
    (words(r"(?:camera ?man|camerawoman|videographer|camera (?:operator|person))"), "the camera"),
    (words(r"(towards?|to|at|nearer|closer to|facing|near) (?:the |our |us as )?(?:camera|viewers?|lens|audience)"), "toward VIEWER"),
    (words(r"(approach\w*|near(?:s|ing)) (?:the |our )?(?:camera|viewers?|lens|us)"), r"\1 VIEWER"),
    (words(r"away from (?:the |our )?(?:camera|viewers?|lens)"), "away from VIEWER"),
    (words(r"(?:in front of|left of|right of|side of|past|beneath|under|by|with his|with her|with a|(?:hold|carr|us)(?:s|ies|ying|ing|es) (?:a|an|his|her)) (?:the )?camera"), "there"),
    (words(r"(of|in|into|inside|within|across|through|from|throughout|on|over|enters?|entering|leaves?|leaving|exits?|exiting|cross(?:es|ing)?|out of) (?:(?:the|our|its|this|entire|whole) ){0,2}(?:frame|view|shot|screen|picture|image|video|clip|footage)"), r"\1 there"),
    (words(r"(?:takes?|makes?|fires?|misses) (?:a|the|his|her) shot"), "acts"),
    (words(r"towards? us"), "toward VIEWER"),
    # What is still only at first is not still.
    (words(r"(camera|view|shot|frame|picture) (?:stays?|remains?|holds?|stands?|keeps?|is) (?:still|static|fixed|stationary|motionless)(?: (?:at first|for [^,.;]*?))?,? (?:and )?then"), r"\1 waits, then"),
    (words(r"(?:speed(?:s|ing)?|sped) up|(?:pick|gain|gather|build)(?:s|ing)?(?: up)? (?:speed|pace|momentum)"), "accelerates"),
    (words(r"(?:slow(?:s|ed|ing)?) down|los(?:es|ing) (?:speed|pace|momentum)"), "decelerates"),
)  # fmt: skip

ADVERBS = r"(?:(?:and|then|also|first|later|next|afterwards|instead|otherwise|there|again|back|\w+ly)\s+)*"
# Verbs of motion; for objects only where they are intransitive.
ROOTS = (
    r"mov|travel|go|driv|run|walk|slid|glid|drift|fl(?:y|i)|swim|roll|shift|sweep|swing|rush|cross|pass|advanc|progress|proceed"
    r"|float|rid|rac|dash|climb|descend|ascend|ris|fall|drop|sail|skat|jog|gallop|march|crawl|stroll|step|spring|skip|dribbl|slip|soar"
    r"|flow|sink|bounc|hurtl|speed|zoom|ski|row|sprint|stream|scroll|hop|jump|bound|trot|com|wobbl|stagger|waddl|wander|shuffl|exit"
)
ENDS = r"(?:s|e|es|ed|d|ing|n|ping|ning|ming|ting)?"
# Verbs that imply a direction, intransitive and transitive.
MANY = r"(?<=[a-z]s )(?<!his )(?<!its )"  # before the verb of a plural
RISE = rf"(?<!sun )(?:{MANY}(?:rise|ascend|climb|soar)|ris(?:es|ing)|rose|ascend(?:s|ed|ing)?|climb(?:s|ed|ing)?|soar(?:s|ed|ing)?|jump(?:s|ed|ing)?|leap(?:s|t|ed|ing)?|tak(?:es|ing) off|lift(?:s|ed|ing)? off)"
FALL = rf"(?:{MANY}(?:fall|descend|sink)|falls|falling|fell|drops|dropping|descend(?:s|ed|ing)?|sinks?|sinking|plung(?:es|ed|ing)|plummet(?:s|ed|ing)?|tumbl(?:es|ed|ing)|div(?:es|ed|ing(?! (?:board|tower|platform|pool|suit)))|collaps(?:es|ed|ing))"
RAISE = r"(?:lift|rais|hoist|elevat)(?:s|es|ed|ing)"
LOWER = r"(?:lower)(?:s|ed|ing)"
NO_FALL = r"(?! (?:in|out|off|asleep|silent|apart|behind|to (?:his|her|their)|for|rope|over|(?:the|a|his|her) (?:subject|course|music|race|idea|hint)|(?:his|her|their) (?:voice|eyebrows?|speed|pace))\b)"
MADE_TO = r"(?:(?:is|are|was|were|be|being|been|gets?) (?:\w+ly )?(?:pull|push|carri|dragg|blow|tow|throw|thrown|kick|led|wheel|swept|driven|flown|hurl|hit|knock|roll|slid|shov|mov)(?:ed|n)?)"
WENT = r"came|heads|heading|headed|ran|drove|flew|went|swept|swung|rode|rose|fell|swam|slid|motion|movement"
GO = rf"\b(?:(?:{ROOTS}){ENDS}|{WENT})\b"
TAKE_ALONG = r"\b(?:push|pull|drag|carr|throw|kick|toss|haul|wheel|steer)(?:s|es|ies|ing|ying|ed|ied) (?:the|an?|his|her|its|their) (?!(?:head|eyes?|gaze|face)\b)\w+"
OBJECT_GO = rf"(?:{TAKE_ALONG}|(?:\b{MADE_TO}\b|{GO})(?!(?<!cross)(?<!crosses)(?<!crossing)(?<!passes)(?<!passing)(?<!descends)(?<!climbs) (?:the|an?|his|her|its|their|one|both)\b))"

PLAIN = r"(?<!from )(?<!the )(?<!his )(?<!her )(?<!its )(?<!on )(?<!my )"
NOT_PLACE = r"(?!\s+(?:side|of|part|edge|corner|hand|third|half|arm|leg|foot|lane|car|behind|the|a)\b)"


def side(this: str, other: str) -> str:
    """Build a pattern for moving to `this` side, as opposed to `other`; being on that side does not match."""
    return (
        rf"(?:(?:to|toward|towards|onto)\s+(?:the|its|their|his|her)\s+(?:\w+[\s-]){{0,2}}?{this}\b(?:-hand side of there)?(?!\s+of\b(?! there))"
        rf"|(?:in|out of there|out|off|exit\w*|leav\w+)(?: there)? (?:on|via) the {this}\b{NOT_PLACE}"
        rf"|(?<!to )(?<!zooms )(?<!zoom )\bin from (?:the )?{other}\b{NOT_PLACE}"
        rf"|{PLAIN}\b{this}(?:wards?)?\b{NOT_PLACE}(?!\s+to\s+(?:the\s+)?{other}\b)|from\s+(?:the\s+)?{other}\s+to\s+(?:the\s+)?{this}|{other}-to-{this})"
    )


LEFT, RIGHT = side("left", "right"), side("right", "left")
TOP = r"(?:upper|top)"
ALONG = r"(?!\s+(?:to(?! the (?:\w+ )?(?:left|right)\b))\b|\s+(?:the|an?|his|her|our)\s+(?:\w+\s+)?(?:street|road|path|track|lane|hall\w*|corridor|aisle|court|field|pitch|runway|river|beach|sidewalk|highway|trail|hill|slope|sleeves?)\b)"
UP = rf"(?:\bup(?:wards?)?\b{ALONG}|(?:to|toward|towards)\s+the\s+{TOP}\b)"
DOWN = rf"(?:\bdown(?:wards?)?\b{ALONG}|(?:to|toward|towards)\s+the\s+(?:bottom|lower)\b)"
CAMERA_UP = rf"(?:\bup(?:wards?)?\b|(?:to|toward|towards)\s+the\s+{TOP}\b)"
CAMERA_DOWN = r"(?:\bdown(?:wards?)?\b|(?:to|toward|towards)\s+the\s+(?:bottom|lower)\b)"
GAP = r"[^.;]{0,45}?\s"
CAMERA_WAYS = {
    way: re.compile(pattern, re.IGNORECASE)
    for way, pattern in {
        "left": LEFT,
        "right": RIGHT,
        "up": CAMERA_UP,
        "down": CAMERA_DOWN,
        **DIRECTIONS,
    }.items()
}
TO_AND_FRO = r"(?:back and forth|(?:from )?side to side|to and fro|up and down|left and right)"
NO_WAY = r"(?! (?:\w+ly |any )?(?:up|down|left|right|to|in(?! (?:there|the|this|any|its)\b)|out|closer|forward|back|away|clockwise|further|along|with|on)\w*\b)"
AT_REST = (
    r"\b(?:is|are|was|were|be|being|stays?|remains?|stands?|sits?|lies|keeps?|holds?|staying|remaining|standing|holding|keeping|completely|perfectly|quite|almost|entirely) still\b(?! \w+ing)"
    rf"|(?<!mostly )(?<!almost )(?<!nearly )(?<!largely )(?<!relatively )(?<!fairly )(?<!generally )\b(?:motionless|stationary|immobile)\b|\b(?:does|do|did|has|have|is|are|was)(?: not|n't) mov(?:e|ed|ing)\b{NO_WAY}|\bnever moves?\b{NO_WAY}|\b(?:stays?|remains?) (?:put|in place|unmoved)\b"
)

CAMERA_RULES = {
    "static": rf"(?<!mostly )(?<!almost )(?<!nearly )(?<!largely )(?<!relatively )(?<!fairly )(?<!generally )\b(?:static|(?:completely|perfectly|entirely|totally|absolutely) stable|fixed on (?:a|its|the) tripod|on a tripod|tripod shot|(?:stays|remains) fixed|never (?:budges|moves|stirs)|(?:does not|doesn't) budge|locked(?:[- ](?:off|down))|fixed(?! on)|unmoving)\b|{AT_REST}|\b(?:holds?|keeps?|holding|keeping) (?:its|one|the same|a single) (?:position|place|angle|framing|view)"
    r"|\bstill (?:camera|shot)\b|\b(?:no|without(?: any)?) (?:\w+ )?(?:camera (?:movement|motion)|(?:movement|motion) (?:of|from|by) the camera)|\bframing (?:is|stays|remains) (?:the same|unchanged|constant)",
    "shake": r"(?<!minimal )(?<!little )(?<!negligible )(?<!imperceptible )(?<!shake-)\b(?:shak(?:es|y|ing|e|iness)(?!-free)|jitter(?:s|y|ing|ed)?|trembl(?:es|ing|e)|wobbl(?:es|y|ing|e)|vibrat(?:es|ing|ions?)|bump(?:y|s)|hand-?held|unstead(?:y|ily|iness))\b",
}  # fmt: skip
CAMERA_MOVES = rf"\b(?:moves?|moving|travels?|is in motion|moving shot|glides|drifts|flies)\b{NO_WAY}|\bmoves? (?:along|with)\b"
OBJECT_RULES = {
    "moves_left": rf"{OBJECT_GO}(?:{GAP}|\s){LEFT}|\bleftward(?:[ -]moving)?\b",
    "moves_right": rf"{OBJECT_GO}(?:{GAP}|\s){RIGHT}|\brightward(?:[ -]moving)?\b",
    "moves_up": rf"{OBJECT_GO}(?:[^.;]{{0,30}}?\s|\s){UP}|\b{RISE}\b{NO_FALL}|\b{RAISE}\b{NO_FALL}",
    "moves_down": rf"{OBJECT_GO}(?:[^.;]{{0,30}}?\s|\s){DOWN}|\b{FALL}\b{NO_FALL}|\b{LOWER}\b{NO_FALL}",
    "grows": r"\b(?:gets?|becom(?:es?|ing)|grows?|growing|getting|appears?) (?:\w+ )?(?:larger|bigger)\b|\b(?:enlarges?|expands?)\b|\bnears VIEWER|\bfills? (?:more|most|the whole|the entire)\b|\bapproach(?:es|ing)?\b(?! (?:the|an?|his|her|their|it|them|him|each|from)\b)"
    rf"|\b(?:comes?|coming|moves?|moving|gets?|getting|draws?) (?:\w+ )?(?:closer|nearer)\b(?! (?:to|together)\b(?! VIEWER))|(?:{GO}|\bcom(?:es?|ing)\b)[^.;]{{0,30}}? toward VIEWER",
    "shrinks": r"\b(?:gets?|becom(?:es?|ing)|grows?|growing|getting) (?:\w+ )?(?:smaller|tinier)\b|\brecedes?\b|\bshrinks?\b"
    rf"|\b(?:retreats?|withdraws?|shrinking|dwindles?)\b|\b(?:disappear|vanish)(?:s|es|ed|ing) (?:in(?:to)?|over) the (?:distance|horizon)|{GO}[^.;]{{0,30}}? (?:away(?! from\b(?! VIEWER))|farther away|further away|(?:into|toward|towards) the (?:distance|horizon|background))",
    "to_and_fro": rf"(?:{GO}|\b(?:swing|sway|rock|wav|oscillat|pac){ENDS}\b)[^.;]{{0,40}}? {TO_AND_FRO}\b(?! between)|\boscillat(?:es|ing)\b",
    "speeds_up": r"\b(?:accelerat(?:es|ed|ing|e)|(?:gets?|getting|grows?|goes|moves?|becom(?:es|ing)) faster and faster)\b",
    "slows_down": r"\b(?:decelerat(?:es|ed|ing|e)|slow(?:s|ed|ing) (?:to a (?:stop|halt|crawl)|(?=\W*$))|(?:goes|moves?|gets?|getting) slower and slower)",
    "faster": r"\b(?:fast|quick|slow)er than (?:the|an?|his|her|its|their|another|others?|all|any|both|everyone)\b|\bmore (?:quick|slow|rapid|swift)ly than (?:the|an?|his|her|its|their|another|others?|all|any|both)\b|\b(?:overtak(?:es|ing)|overtook|outpac(?:es|ing)|outrun(?:s|ning)?)\b",
    "same_speed": r"\b(?:at|with) (?:the same|equal|identical) (?:speed|pace)s?\b|\bequally (?:fast|quickly)\b|\bas (?:fast|quickly) as (?:the|his|her|its|another)\b",
    "none_moves": r"\b(?:nothing|no one object|none of the objects)\b[^.;]{0,30}? (?:moves?|moving|in motion)\b"
    rf"|\bno objects?\b[^.;]{{0,40}}? mov(?:es?|ing)\b(?: on (?:its|their) own\b|{NO_WAY})|\bno (?:\w+ )?(?:movement|motion) (?:of|by|from) (?:any|the) objects?|\bno object's own movement|\bno clear movement was found"
    r"|\b(?:everything|all (?:of )?(?:the )?(?:objects|things))\b[^.;]{0,40}? (?:still|static|motionless|stationary|at rest)\b",
    "still": rf"{AT_REST}|\b(?:at rest)\b",
}  # fmt: skip
RULES: dict[Subject, dict[str, re.Pattern[str]]] = {
    "camera": {name: re.compile(rule, re.IGNORECASE) for name, rule in CAMERA_RULES.items()},
    "object": {name: re.compile(rule, re.IGNORECASE) for name, rule in OBJECT_RULES.items()},
}
MOVES = re.compile(CAMERA_MOVES, re.IGNORECASE)

SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=[a-z]):\s|\s[-\u2013\u2014]\s|\u2014|[()]")
FINITE = rf"(?:{ROOTS}|pan|tilt|zoom|roll|truck|doll|cran|boom|pedestal|arc|orbit|circl|approach|retreat|continu|conclud|lower|transition|eas|exhibit|show|maintain|stay|hold|shak|follow|get|becom|remain|track|push|pull|rotat|end|begin|start|keep|stand|com)(?:s|es|ies)\b"
CLAUSE = re.compile(
    rf",?\s+(?:while|whereas|but|then|before|after|after which|as|when|until|where|because|since|so that|with)\s+|,\s+(?:and\s+(?:then\s+)?)?"
    rf"|\s+and\s+(?=(?:\w+ly\s+)?(?:then|it|he|she|they|the|an?|his|her|its|another|one|two|does|is|are|{FINITE})\b)",
    re.IGNORECASE,
)
# After a verb of seeing, the rest of the clause is about what is seen: "follows a man | walking to the left".
SEES = re.compile(
    r"(?:\b(?:follow|captur|show|film|record|reveal|track|focus|observ|watch|keep|depict|(?:shot|view|footage|video|clip) of)\w*\b[^,.;]{0,50}?\s)(?=(?!during|everything|something|nothing|being|building|evening|morning|ceiling|clothing|string)\w{3,}ing\b)",
    re.IGNORECASE,
)
CAMERA = re.compile(
    r"\b(?:camera|lens|viewpoint|point of view|perspective|shot|framing|footage|(?:the|our|camera's) view|(?:static|fixed|steady) (?:view|picture|image))\b"
    r"|^\W*(?:the )?(?:frame|video|clip|scene|sequence|picture|image) (?:(?:is|does|do|not|doesn't|isn't|never|itself|\w+ly) )*(?:pan|tilt|zoom|mov|shak|rotat|turn|roll|wobbl|trembl|jitter)\w*\b"
    r"|^\W*(?:and |then |\w+ly )*(?:we|the viewers?) (?:\w+ly )?(?:pan|tilt|zoom|push|pull|doll|mov|are (?:moving|zooming|pulled|pushed))\w*\b",
    re.IGNORECASE,
)
# A text about camera work, in which a drone is what the camera flies on.
CRAFTSMANSHIP = re.compile(
    r"\b(?:aerial|bird'?s[ -]eye|footage|shot|pan(?:s|ning)|tilt(?:s|ing)|zoom(?:s|ing)|truck(?:s|ing)|roll(?:s|ing) (?:counter)?clockwise|shak(?:e|ing)|steadiness|the subject|in the frame|backs? away|pulls? back)\b",
    re.IGNORECASE,
)
DRONE = re.compile(r"\b(?:the|an?) (?:FPV )?drone(?: (?:camera|shot|footage|view))?\b", re.IGNORECASE)
# "The camera, high above the square, moves": what stands between the commas is left out.
APPOSITION = re.compile(
    r"^(\W*(?:the|an?) (?:[\w-]+ ){0,2}camera), (?:(?!\b(?:while|then|before|as|which|that|still|static|stationary|fixed)\b)[^,.;])*(?:, (?!\w+ly )[^,.;]{0,40})??, (?=(?:\w+ly )*\w+s\b)",
    re.IGNORECASE,
)
# Words of camera work that imply a camera.
CRAFT = re.compile(
    r"^\W*(?:(?:slow|quick|fast|gentle|slight|subtle|smooth|steady|gradual|brief|handheld)(?:ly|,)? )+(?:pan|tilt|zoom|dolly|truck|pedestal|push-?in|pull-?(?:back|out)|orbit|arc|roll|crane)\b|"
    rf"^\W*{ADVERBS}(?:it (?:\w+ly )?(?:(?:is|begins|starts|ends)(?: by| to)? )?)?(?:pans?|panned|panning|zoom\w* (?:\w+ly )?(?:in|out)|tilt(?:s|ed|ing)?(?= (?:\w+ly )?(?:up|down))|doll(?:y|ies|ied|ying)|truck(?:s|ed|ing)(?= (?:\w+ly )?(?:left|right))|roll(?:s|ed|ing)?(?= (?:\w+ly )?(?:counter-?|anti-?)?clockwise))\b"
    r"|\b(?:an?|the|by|no|any|of|one) (?:[\w-]+ ){0,2}(?:pan(?= (?:to|from|back|left|right|across|up|down|follow)|$|\W$)|panning|tilt(?:ing)?|zoom(?:ing)?|dolly|push-in|pull-(?:back|out)|zoom-(?:in|out))\b|\b(?:camera work|hand-?held|(?:counter)?clockwise roll|roll (?:counter)?clockwise)\b",
    re.IGNORECASE,
)
# Neither camera nor object; a drone may be either.
SCENERY = re.compile(
    r"^\W*(?:and |the |its |their |a |an |in |most of the |rest of the )*(?:[\w-]+ ){0,2}(?:background|scenery|surroundings?|landscape"
    r"|environment|scene|sky|horizon|picture|image|drone)\b|^\W*the surrounding\b",
    re.IGNORECASE,
)
PERSON = re.compile(rf"^\W*{ADVERBS}(?:he|she|they)\b", re.IGNORECASE)
PRONOUN = re.compile(
    rf"^\W*{ADVERBS}(?:it|this|that|which|who|is|are|was|were|does|has|not)\b", re.IGNORECASE
)
VERB_FIRST = re.compile(rf"^\W*{ADVERBS}(?:{FINITE}|\w+ing\b|(?:{WENT})\b|moved\b)", re.IGNORECASE)
STATE = re.compile(
    rf"^\W*{ADVERBS}(?:unsteady|shaky|handheld|steady|stable|smooth|fixed|static|stationary|still|wobbly|bumpy|jittery)\b",
    re.IGNORECASE,
)
# "... with a smooth motion": how what came before moves.
MANNER = re.compile(
    r"^\W*(?!no (?:clear|object))(?:(?!the\b|his\b|her\b)[\w-]+ ){0,5}?(?:motion|movement|pace|speed|steadiness|shak\w+|wobbl\w+|vibrations?|jitter\w*|trajectory|progression)\b",
    re.IGNORECASE,
)
FROM_ABOVE = re.compile(r"\b(?:bird'?s[ -]?eye|top[ -]down|overhead|directly above)\b", re.IGNORECASE)
SIGHT = {"pedestal_up": "dolly_out", "pedestal_down": "dolly_in"}
WAY = r"(?:(?:to|toward|towards) the )?(?:left|right|up|down|top|bottom)(?:wards?)?"
ONLY_WAY = re.compile(
    rf"^\W*{ADVERBS}(?:{WAY}(?: and {WAY})?(?: again)?|from (?:the )?(?:left|right) to (?:the )?(?:left|right))\W*$",
    re.IGNORECASE,
)
ONLY_ZOOM = re.compile(rf"^\W*{ADVERBS}(?:in|out)(?: again)?\W*$", re.IGNORECASE)
BY_DOING = re.compile(rf"^\W*by {ADVERBS}\w{{3,}}ing\b", re.IGNORECASE)
PARTICIPLE = re.compile(rf"^\W*{ADVERBS}(?!during|everything|something|nothing)\w{{3,}}ing\b", re.IGNORECASE)
WAYS = ("moves_left", "moves_right", "moves_up", "moves_down")
IN_ORDER = words("then", "afterwards?", "before", "after which", "followed by", "later", "and back")
HEDGE = re.compile(
    r"\b(?:might|may|could|would|possibly|perhaps|maybe|probably|likely|seem\w*|appears?(?! (?:from|in|on|at|larger|bigger|smaller)\b)|suggest\w*"
    r"|as (?:if|though)|if|whether|or|hardly|barely|unclear|stop(?:s|ped)? \w+ing)\b|\?",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"\b(?:no|not|nobody|no one|never|without|neither|nor|nothing|none|rather than|instead of|cannot|free of|lacks?)\b|n't\b",
    re.IGNORECASE,
)
EXCEPT = words(r"(?:except(?: for)?|apart from|other than|besides|aside from)(?! the camera)")
# Here the negation is part of the meaning rather than a denial of it.
SAYS_STILL = re.compile(
    r"not (?:mov|budg)|n't (?:mov|budg)|never (?:move|budge|stir)|^no |^without |nothing|none of",
    re.IGNORECASE,
)


def claims(text: str) -> list[Claim]:
    """Read the checkable claims of a text, each once, in order of appearance."""
    return list(dict.fromkeys(_read(text)))


def _read(text: str) -> Iterator[Claim]:
    """The claims of a text in order, possibly repeated."""
    last: Subject | None = None
    text = text[:TEXT_MAX]
    for pattern, plain in REPEATED:
        text = pattern.sub(plain, text)
    if CRAFTSMANSHIP.search(text) and not re.search(
        r"\bthe camera\b(?! (?:movement|motion|work))", text, re.IGNORECASE
    ):
        text = DRONE.sub("the camera", text)
    for sentence in SENTENCE.split(text):
        sentence = sentence[:SENTENCE_MAX]
        for pattern, plain in REWRITE:
            sentence = pattern.sub(plain, sentence)
        sentence = APPOSITION.sub(r"\1 ", sentence)
        follows = False
        did = "moves"  # the camera's latest verb in this sentence
        viewed = False  # the sentence is about the view
        way = None  # the latest direction of an object in this sentence
        parts = [part for clause in CLAUSE.split(sentence) for part in _seen(clause, sentence)]
        for k, (part, seen) in enumerate(parts):
            if k + 1 < len(parts) and re.fullmatch(r"\W*(?!\w+ing\b)\w*\W*", part):
                continue  # "Meanwhile, ..."
            subject = "object" if seen else _subject(part, last)
            # "The camera follows him, moving left": what the camera does, after the comma.
            if follows and not seen and (PARTICIPLE.search(part) or BY_DOING.search(part)):
                subject = "camera"
            if PARTICIPLE.search(part) and k + 1 < len(parts) and not last:  # its subject follows
                subject = _subject(parts[k + 1][0], last)
            if subject is None:
                continue
            again = bool(last and ONLY_WAY.search(part))
            if again:
                subject, part = last, f"{did if last == 'camera' else 'moves'} {part}"
            elif last == "camera" and ONLY_ZOOM.search(part):
                part = f"zooms {part}"
            named = re.search(r"\bcamera\b", part, re.IGNORECASE)
            viewed = not named and (viewed or bool(VIEW.search(part)))
            if subject == "camera" and (verbs := VERBS.findall(part)):
                did = "".join(verbs[-1])
            if not HEDGE.search(part):
                found = list(_claims_of(part, subject or "object", sentence, viewed))
                yield from found
                ways = [it.predicate for it in found if it.predicate in WAYS and not it.negated]
                if len(ways) == 1:
                    same = again or VERB_FIRST.search(part) or PRONOUN.search(part) or PERSON.search(part)
                    if way and way != ways[0] and same and IN_ORDER.search(sentence):
                        yield Claim("object", f"{way}_then_{ways[0].removeprefix('moves_')}")
                    way = ways[0]
            # After a camera that follows something, "it" is what is followed.
            followed = subject == "camera" and re.search(r"\b(?:follow|track|lead)\w*\b|\bkeep", part)
            follows = bool(followed) or (follows and subject == "object")
            last = "object" if followed else subject


def _seen(clause: str, sentence: str) -> Iterator[tuple[str, bool]]:
    """A clause, or its two parts where a camera sees something move; with each, whether it is what is seen."""
    match = SEES.search(clause)
    said = clause[: match.end()] if match else ""
    goes_on = VERB_FIRST.search(said) and CAMERA.search(sentence)
    if match and (CAMERA.search(said) or CRAFT.search(said) or goes_on):
        yield clause[: match.end()], False
        yield clause[match.end() :], True
    elif clause.strip():
        yield clause, False


def _subject(clause: str, before: Subject | None) -> Subject | None:
    """What a clause is about, given the subject before; None for scenery, neither camera nor object."""
    if CAMERA.search(clause):
        return "camera"
    if PERSON.search(clause):
        return "object"
    if CRAFT.search(clause):
        return "camera"
    if before == "camera" and (STATE.search(clause) or MANNER.search(clause)):
        return "camera"
    if before and (PRONOUN.search(clause) or VERB_FIRST.search(clause)):
        return before
    return None if SCENERY.search(clause) else "object"


def _claims_of(clause: str, subject: Subject, sentence: str, viewed: bool) -> Iterator[Claim]:
    """The claims of a clause, which is part of a sentence. viewed: it is about the view."""
    found = []
    if subject == "camera":
        found = [
            Claim(subject, name, _negated(clause, match)) for name, match in ways(clause, CAMERA_WAYS, viewed)
        ]
        if FROM_ABOVE.search(sentence):  # there, up and down are along the line of sight
            found += [
                Claim(subject, SIGHT[it.predicate], it.negated) for it in found if it.predicate in SIGHT
            ]
        if any(claim.predicate.startswith("arc_") for claim in found):
            found = [claim for claim in found if claim.predicate != "arc"]
    for name, rule in RULES[subject].items():
        match = rule.search(clause)
        if match and not (name == "none_moves" and EXCEPT.search(sentence)):
            found.append(Claim(subject, name, _negated(clause, match)))
        if match and name == "none_moves":
            break
    if not found and subject == "camera" and (match := MOVES.search(clause)):
        found.append(Claim(subject, "moves", _negated(clause, match)))
    yield from found


def _negated(clause: str, match: re.Match[str]) -> bool:
    """Whether a clause denies the claim that matched: the last negation is in it or shortly before it."""
    if SAYS_STILL.search(match.group(0)):
        return False
    denial = [m for m in NEGATION.finditer(clause) if m.start() < match.end()]
    return bool(denial) and match.start() - denial[-1].end() < 40
