"""Cue words of plain English: what a clause does with the set, the titles or the column it names.

Patterns are for lower-case text with marks, its contractions undone. Only function words and the verbs of
asking stand here; categories never do.
"""

from __future__ import annotations

import re

from steerec.understand.patterns.marks import COLUMN, NUMBER, ORDINAL, QUOTE, SET

_S = rf"(?: ?{SET} ?)"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


IDIOMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (  # "do not give me comedies only" is "do not only give"; below "only" also stands for other words
            r"(?<!that )(?<!which )\bdo not"
            r"( (?:want|need|give|show|recommend|suggest|bring|pick|find|list|send|offer|make)"
            rf"(?: \w+){{0,4}} ?{SET}(?: ?(?:and|or) ?{SET})*) ?(?:only|alone|exclusively)\b",
            r"do not only\1",
        ),
        (r"\bno more,?(?: and| or| nor)?,? (?:no |not )?(?:less|fewer)\b", " exactly "),
        (r"\bno (?:fewer|less),?(?: and| or| nor)?,? (?:no |not )?more\b", " exactly "),
        (r"\bneither more nor (?:less|fewer)\b|\bneither (?:less|fewer) nor more\b", " exactly "),
        (r"\bnot more,?(?: and| or)?,? not (?:less|fewer)\b", " exactly "),
        (r"\bnot one more(?:,|,? and| or)? (?:not )?one (?:less|fewer)(?: than)?\b", " exactly "),
        (r"\b(?:and|but) (?:the rest|the others|none of the others) should not\b", " exactly "),
        (r"\b(?:not|no)(?: one| a single one)? more or (?:less|fewer)\b", " exactly "),
        (r"\bno exceptions?\b|\bor nothing\b", " only "),
        (r"\b(?:nothing|nowhere|no one|none) else(?: will do)?\b|\bno others?\b", " only "),
        (r"\bnothing (?:besides|more|other|further)(?= ?(?:[,.;:!?)]|$))", " only "),
        (r"\bhold the\b|\bcould do without\b|\bdo(?:ing)? without\b|\blose the\b", " avoid "),
        (
            r"\b(?:but |and )?(?:stop there|leave it at that|no further|that is (?:it|the limit|enough))\b",
            " at most ",
        ),
        (
            r"\b(?:leave|drop|skip|ignore|forget)(?: about)? (?:everything|anything|all) else(?: aside"
            r"| out| off)?",
            " only ",
        ),
        (r"\bdo not go beyond(?: them| these| those| that)?(?= ?(?:[,.;!?]|$))", " only "),
        (
            r"\b(?:not|no)(?: \w+){0,3} (?:must|requirements?|required|essential|necessary|necessity"
            r"|mandatory|deal-?breaker"
            r"|crucial|strict|strictly|rule|obligation|vital|compulsory|pressure|condition|demand"
            r"|insist\w*|bound|binding"
            r"|set in stone|end of the world|worries|big deal|fussed|fussy|picky)\b(?! (?:to|out)\b)",
            " softly ",
        ),
        (r"\bwithout insist\w*(?: on (?:it|that|this))?\b|\banything goes\b|\bup to you\b", " softly "),
        (r"\b(?:would|do|will) not mind\b", " softly welcome "),
        (
            r"\bfrom start to finish\b|\bfrom (?:the )?(?:first|top) to (?:the )?(?:last|bottom)\b"
            r"|\ball the way\b|\bacross the board\b|\bwithout exception\b|\bthrough and through\b"
            r"|\bto the last\b",
            " only ",
        ),
        (r"\bfirst of all\b|\bat first\b|\bfirst off\b", " "),
        (
            r"\bmore (?:is|are) (?:fine|ok|okay|welcome|better)\b|\bthe more the (?:better|merrier)\b",
            " or more ",
        ),
        (r"\banything (?:beyond|above|over) that\b.*?(?=[.!?;]|$)", " "),
        (r"\bcan not get enough\b", " love "),
        (
            r"\bcan not stand\b|\bcan not bear\b|\bnot a fan of\b|\bnot (?:really )?(?:into|keen on)\b",
            " avoid ",
        ),
        (r"\bno need to (?:mention|include|show|suggest|recommend|bring up)\b", " avoid "),
        (r"\bnot a single(?: one)?(?: of)?(?: the)?\b|\bnot any\b|\bnot one\b(?! of)", " no "),
        (r"\bnothing\b", " no anything "),
        (r"\bhow about\b|\bwhy not\b|\bwould you mind\b|\bdo you mind\b", " "),
        (r"\bif i (?:have|had) (?:already )?seen\b", " seen "),
        (rf"\bnot only\b(?!(?: \w+){{0,5}} ?{SET})", " "),
    )
)
"""Fixed phrases whose words would mislead, and what they come to."""

NEGATION = _any(
    r"\b(?:no|not|never|none|without|avoid\w*|skip\w*|exclud\w*|omit\w*|drop|remov\w*|hate|dislike"
    r"|detest|loathe|refrain"
    r"|spare|zero|minus|ban\w*|ditch|eliminat\w*|forget|neither|ignor\w*|disregard\w*|discard\w*|dodge"
    r"|shun|reject\w*"
    r"|block\w*|scrap|strike|forbidden|prohibited|unwanted|unwelcome|despise|nope|barred|against|refus\w*"
    r"|declin\w*|resent|loath|absent)\b",
    r"\bsteer clear\b|\b(?:stay|keep|away)(?: well)? (?:away|clear)\b|\baway from\b"
    r"|\btake a break from\b|\bpass (?:on|over|up)\b",
    r"\b(?:leave|leaving|keep|keeping|cut|rul\w+|filter|weed|throw|take|cross|count|strike"
    r"|screen)\b.*\b(?:out|off|aside|away)\b",
    r"\b(?:tired|sick|bored) of\b|\bfed up\b|\benough of\b|\bhad enough\b|\bfree (?:of|from)\b|\bdevoid of\b"
    r"|\boff (?:the table|limits)\b|\ba miss\b|\ballergic\b|\bout of bounds\b",
    r"\bout of (?:it|consideration|the question)\b|\bdone with\b|\b(?:stay|stays|kept|left|be"
    r"|remain)\b.*\bout\b"
    r"|\b(?:should|must|has to|have to|can|need to) (?:go|be gone|disappear)\b(?! \w)",
)
ONLY = _any(
    r"\b(?:only|all|just|solely|exclusively|entirely|strictly|purely|every|everything|each|whole"
    r"|throughout|always)\b",
    r"\b(?:stick|restrict\w*|limit\w*|confin\w*|keep|stay|narrow\w*)\b(?: \w+){0,3} to\b"
    r"|\bconsist\w* of\b|\bstay within\b",
    r"\bfill the list\b",
)
NOT_ONLY = _any(
    r"\b(?:not|never)(?: \w+){0,5}? (?:only|just|solely|exclusively|purely|entirely)\b",
    r"\bnot(?: \w+){0,3}? (?:(?<!at )(?<!of )(?<!above )all\b(?! the\b)|every)",
)
"""Takes back that all are of a kind, and says no more: neither "none" nor how many."""
_BUT = (
    r"(?:except|but|save|bar|apart from|other than|minus)(?: for)?"
    r"(?: (?:the|at most|up to|about|maybe|only|just))*"
)
ALL_BUT = _any(
    rf"\b(?:all|every\w*|only)\b.*{SET}.*\b{_BUT} ?(?:{NUMBER}|(?:one|some|a few)\b)",
    rf"\b(?:all|every\w*)(?: \w+)? {_BUT} ?(?:{NUMBER}|(?:one|some|a few)\b)",
)
"""Takes some back from all."""
BEST = re.compile(
    rf"\b(?P<lead>(?:in|of|for|at|among|within|make|keep|fill|put|let|have) )?(?:(?:the|your|my|our) )?"
    rf"top (?={NUMBER} ?{SET}(?! ?(?:should|must|needs?|ha(?:ve|s) to|ought|are|is|be|may|can|could|might"
    r"|will|shall|to be)\b))"
)
"""A number of the best, unless a lead says that it is a stretch of the list."""
SOFT = _any(
    r"\bsoftly\b|\bideally\b|\bprefer\w*|\bif (?:at all )?possible\b|\bif you can\b"
    r"|\bwhere(?:ver)? (?:you can|possible)\b",
    r"\bsoft spot\b|\bbonus\b|\blean\b|\bleaning\b|\bfavou?r(?:s|ing)?\b|\bfond\b|\btend\b|\busually\b"
    r"|\bgenerally\b|\bas a rule\b",
    r"\bwould be (?:nice|great|lovely|good|a plus|welcome|appreciated|ideal)\b|\bnice to have\b"
    r"|\bbe nice if\b",
    r"\bdrawn to\b|\bboost\b|\btilt\w*\b|\bfan of\b|\bwhen in doubt\b|\bwelcome\b|\bbeing equal\b"
    r"|\ball else equal\b|\ball the same to\b",
    r"\boptional\w*\b|\bpartial to\b|\ba plus\b|\bslight\w*\b|\bflexible\b|\bopen to\b|\bmakes sense\b"
    r"|\bpleased\b|\bgiven the choice\b",
    r"\bmy taste\b|\bi(?: really| do| also|'ve always)? (?:like|love|enjoy|adore)\b|\bcan manage\b"
    r"|\bmy preference\b|\bfeel free\b",
    r"\bthing for\b|\bmy favou?rites?\b|\ball the better\b|^i have\b(?! (?:no|had|seen)\b)"
    r"|\bdelight\w*\b|\bhappy\b|\bsuits? me\b|\bsweet on\b",
    r"\bmaybe\b|\bperhaps\b|\bkeen\b|\bhapp(?:y|ier|iest)\b|\bif (?:that|it) works\b|\bif you have (?:a"
    r"|the) choice\b|\bmore of an?\b"
    r"|\bbig on\b|\bgravitat\w*\b|\binclined\b|\bappeal\w*\b|\bin the mood\b|\bgreat to (?:see|have"
    r"|get)\b|\bpriority\b|\bif available\b"
    r"|\bwould love\b|\bi'd love\b|\bleans?\b|\bextra (?:points|credit|weight)\b|\bespecially\b"
    r"|\bwhen(?:ever)? (?:you can|possible)\b"
    r"|\bif there (?:are|is) (?:any|some)\b|\bif you (?:find|come across|happen)\b|\bnudge\b"
    r"|\bi am into\b|\bi'm into\b",
    r"\brather have\b|\bweakness for\b|\bif it works\b|\btry to\b|\bhappier\b|\bnot at all costs\b"
    r"|\bno hard feelings\b|\bhope for\b",
)
SOFT_NEGATION = re.compile(rf"\b(?:no|without|avoid|not|nothing like|less)\b(?: \w+){{0,3}} ?{SET}")

MOSTLY = _any(
    r"\b(?:mostly|mainly|predominantly|primarily|largely|chiefly|majority|for the most part)\b"
    r"|\bmost of (?:it|them|the)\b",
    rf"\bmost (?:{SET}|should)",
)
SOME = re.compile(rf"\b(?:some|a few|several|a bit of|any)\b(?: of the)? ?{SET}")
INCLUDE = _any(
    r"\b(?:include|including|add|throw in|work in|fit in|put in|mix in|with|plus|contain\w*|have|has)\b"
)

SIMILAR = _any(
    r"\b(?:similar|resembl\w*|reminiscent|comparable|akin|vein|along the (?:same )?lines|in the style"
    r"|spirit|inspiration"
    r"|inspired|in the direction|in that direction|remind\w*|likes of|close to|closer|near it"
    r"|kind of thing|sort of thing"
    r"|more of that|guide|goes well|feels? like|same lines|liked|loved|love|enjoyed|enjoy|adore\w*"
    r"|favou?rites?|fans?"
    r"|example|was great|perhaps|feeling|like|same (?:sort|kind|type|league|mould)|mould|akin|impressed)\b"
)
CHOICE = _any(
    r"\b(?:only|just|choose|choosing|choice|pick|picks|select\w*|candidates?|options?|shortlist"
    r"|restrict\w*|limit\w*|rank"
    r"|order|sort these|sort (?:them )?by|available|allowed|set|among|from|between|out of|following"
    r"|these|narrow|stick|on offer|deciding|decid\w*|keep to|this list|list|alternatives|eligible|permitted"
    r"|consider\w*|pool|draw|everything|every|each|one of|must|has to|have to|belong\w*)\b"
)
LIMITED = _any(
    r"\b(?:anything|everything|all|items?|those|whatever) (?:that is )?(?:outside|beyond|other than"
    r"|except|apart from|besides"
    r"|not (?:in|on|among))\b.*\b(?:not|no|never|forbidden|off|excluded|ignored?)\b",
    r"\bonly\b|\bjust\b|\bsolely\b|\bexclusively\b|\bno anything (?:but|outside|other than|except"
    r"|besides|beyond)\b|\bno others?\b",
)
DISTRIBUTIVE = _any(
    rf"\b(?:per|each|every|same|any|single|one|no|identical|given|a|an|for all|individual|particular"
    rf"|this|that)\b(?: \w+)? ?{COLUMN}",
    rf"\b(?:different|distinct|unique|repeat\w*|various)\b(?: \w+)? ?{COLUMN}",
    rf"{COLUMN} (?:more than once|twice)",
)
ONE_EACH = _any(
    rf"\b(?:different|distinct|unique)\b(?: \w+)? ?{COLUMN}",
    rf"\b(?:no two|never two)\b|{COLUMN} (?:more than once|twice)|\b(?:not|no|never)\b.*\b(?:repeat\w*"
    rf"|twice|more than once)\b",
)
NO_TWO = re.compile(
    r"\b(?:no|never) (?:two|" + NUMBER + r") ?\w* ?(?:with|from|by|of|share|sharing|may|should|can|have)"
)
REST = re.compile(r"\b(?:the (?:rest|remainder|remaining|others|other ones)|all others)\b")

SUMS = re.compile(
    r"\b(?:total|sum|combined|altogether|average|budget|mean|dollars|euros|pounds|bucks|hours|minutes"
    r"|per (?:hour|day))\b|[$€£]"
)
"""Sums and averages over the list: no bound on a number of items says them."""

SEEN = _any(
    r"\b(?:seen|watched|already|repeat\w*|again|revisit\w*|rewatch\w*|reread\w*|familiar|twice"
    r"|second time|once more|come across"
    r"|old favou?rites|duplicates|reruns?|same (?:ones?|things?|thing)|my (?:history|past|old|previous"
    r"|earlier)|i know|known"
    r"|not be new|not have to be new|new to me|new or|encountered)\b",
    r"\b(?:had|tried|bought|used|been|read|played|heard|picked|rated|chosen|enjoyed|visited|done"
    r"|experienced)\b.*\b(?:before|previously)\b",
)
_OMIT = (
    r"(?:skip|hide|filter|exclude|leave|avoid|remove|drop|rule|omit|mind|matter|bother|care|worry|limit"
    r"|hold|shy|hesitate|afraid"
    r"|only|restrict|off limits|excluded|problem|an issue|have to be new|need to be new|opposed|against"
    r"|afraid|keep out|weed)"
)
PERMIT_SURE = _any(
    rf"\bnot (?:\w+ ){{0,3}}?{_OMIT}\b|\bneed not\b|\bno need\b|\bno (?:problem|objections?|issue|harm"
    rf"|reason)\b|\bnot have to\b"
    r"|\bfeel free\b|\bregardless\b|\bor not\b|\bsoftly\b|\bwelcome\b"
)
PROHIBIT = _any(
    r"\bnot (?:please )?(?:include|consider|repeat|recommend|show|suggest|want|give|bring|allow\w*|like"
    r"|need|be (?:included|repeated|shown"
    r"|allowed))\b|\bno (?:repeats|duplicates|reruns|anything)\b|\bavoid|\bexclude\b|\bwithout\b"
    r"|\bskip\b|\bleave out\b|\bnever\b"
)
PERMIT = _any(
    r"\b(?:fine|ok|okay|all right|alright|allowed|may|happy|happily|gladly|include|including|consider"
    r"|as well|too|both|acceptable"
    r"|permitted|by all means|go ahead|sure|count|eligible|fair game|glad|enjoy|love|open to|stay"
    r"|also)\b|\bcan\b(?! not)|\bcould\b(?! not)"
)
PRESENT = _any(
    r"\b(?:based on|given|going by|match\w*|considering|know(?:ing)? my|judging by|according to)\b"
)

START = _any(
    r"\b(?:open|opens|start|starts|starting|begin|begins|beginning|lead|leads|leading|kick\w*|head"
    r"|heads|get|gets|launch|set)\b"
    r"(?: \w+){0,3}? (?:with|by|off|rolling with|going with)\b(?<!get me with)",
    r"\bat the (?:very )?(?:top|start|beginning|front|head)\b|\b(?:up front|up top|first up|on top"
    r"|for starters|as openers?)\b",
    rf"(?<={SET}) (?:to )?(?:come|comes|go|goes|be|up|appear|placed|right)? ?first\b(?! \w*{NUMBER})"
    rf"|^first(?:ly)?\b,?(?: come| up| put)?(?! {NUMBER})",
    r"\b(?:the opening|leading|heading|fronting|topping|in front|in the lead|(?:lead|leads|top|tops"
    r"|open|opens|start|starts) the list)\b",
    r"\b(?:before|ahead of) (?:anything|everything)(?: else)?\b|\bto (?:start|begin)(?: with)?\b",
)
LEADING = re.compile(rf"\b(?:first|top|opening|initial|leading) ({NUMBER})")
TRAILING = re.compile(rf"\b(?:last|final|bottom|closing) ({NUMBER})")
_PLACE = (
    r"(?:positions?|places?|ranks?|slots?|spots?|numbers?|nos?\.?|entries|items?|picks?|stretch"
    r"|range|section|part|rows?|lines?)"
)
WINDOW = _any(
    rf"\b(?:the )?{_PLACE}(?: of the list)?(?: from)?(?: (?:{_PLACE}))? ?(?P<a>{NUMBER}|{ORDINAL}) ?"
    rf"(?:to|through|thru|until|till|and|up to|-)(?: the)?(?: {_PLACE})? ?(?P<b>{NUMBER}"
    rf"|{ORDINAL})(?: {_PLACE})?(?: of the list)?",
    rf"\b(?:the )?(?P<c>{ORDINAL}|{NUMBER}) ?(?:to|through|thru|until|and|-)(?: the)? ?(?P<d>{ORDINAL}"
    rf"|{NUMBER}) {_PLACE}(?: of the list)?",
)
AT_PLACE = _any(
    rf"\b(?:in |at |for )?{_PLACE} (?P<a>{NUMBER})(?= ?(?:should|must|has|to|is|be|:|,|$))",
    rf"\b(?:in |at |for )?the (?P<b>{ORDINAL}|first)(?: {_PLACE}| one)?(?= ?(?:should|must|has|to|is|be|:))",
)
MODAL = (
    r"(?:should|must|need|needs|have to|has to|ought|are|is|be|being|may|can|could|might|will|shall"
    r"|to be|from|per|with the same|of)"
)
FOLLOWING_QUOTES = rf"{QUOTE}(?: ?(?:,|and|or|, and|, or|&) ?{QUOTE})*"

EXCEPTION = re.compile(
    r"\b(?:anything|everything|all)\b.*\b(?:but|except|bar)\b|\b(?:but not|other than|except|excluding"
    r"|apart from|aside from"
    r"|besides)\b|\bjust not\b"
)
ANAPHORA = re.compile(
    r"\b(?:them|those|these|that|it|ones|only|none|others?|rest|no more|so|otherwise|please|avoid|no)\b"
)
