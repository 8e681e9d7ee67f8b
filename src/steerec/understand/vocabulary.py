"""Words of the request language and of plain English: never a category, never left over as not understood."""

from __future__ import annotations

import re
from functools import lru_cache

from steerec.control.templates import PHRASES

# What requests are made of apart from names; the words of the train phrasings are added to these.
_PLAIN = """
a about above absolutely across actually after again all almost along already also although always am among an and
another any anybody anyhow anyone anything anyway are around as ask asked asking at available away awesome back bad be
became because become been before began begin behind being believe below best better between beyond big bit both bring
bunch but by call came can care case certain certainly change cheers choice choose chosen clear clearly close come
comes coming complete completely consider contain contains could couple course day days deal dear decide definitely
depends did different do does doing done down dozen due during each early earlier easy either else end enjoy enough
entire entirely equal even evening ever every everybody everyone everything exactly example except fairly far fast
favourite favorite feel few fewer fill final finally find fine first fit fits five following for former four free
friend friends from full fully further gave general generally get gets getting gift give given gives giving glad go
goes going good got gotten great group guess had half hand happen happy hard has have having he hear hello help hence
her here hey hi high higher him his hope how however i idea ideally ideas if imagine important in include included
includes including indeed inside instead interest interested interesting into is it its itself just keep keeps kid
kind kindly kinds know known large last late lately later latest latter lead least leave leaving less let like liked
likely likes limit line list lists little long longer look looking lot lots love loved lovely low lower made mainly
make makes making many match matches matter max maximum may maybe me mean means member mention might min mind mine
minimum minute minutes miss mix moment month months mood more moreover most mostly mr mrs much must my myself name
named namely near nearly necessarily necessary need needed needs neither never new newer next nice nicely night nine
no nobody none nor normally not nothing now nowhere number of off offer often oh ok okay old older on once one ones
only onto open option or order other others otherwise ought our out over overall own pair part particular past people
per percent perfect perhaps person pick picked picking picks piece place places plan plans please plenty plus point
position positions possible possibly prefer preferably present pretty previous previously probably proper provide put
quality quick quickly quite random range rank rather ready real really reason recent recently recommend recommendation
recommendations recommended regarding remain remaining request rest result results right room round rule same saw say
search second see seem seems seen select selection send sense series serious set seven several shall she short should
show shown shows similar since single six slot small so some somebody somehow someone something sometimes somewhat
soon sorry sort specific spot start started starting still stop strict strictly stuff such suggest suggested
suggestion suggestions suit sure take taken taking taste tell ten than thank thanks that the their them themselves
then there therefore these they thing things think third this those though three through throughout thus time times
title titles to today together told tomorrow tonight too took top total totally toward towards tried try trying twelve
twice two type types under unless unlike until up upon us use used using usual usually value variety various very via
want wanted wants was watch watched way we week weekend weeks well went were what whatever when where whether which
while who whole whom whose why will wish with within without wonderful word work works worse worst would wow year
years yes yet you your yours yourself zero product products item items film films movie movies read reading buy buying
eat eating visit listen play played bought book booked order ordered family-friendly ideally thereof roughly approx
majority mostly primarily mainly predominantly largely chiefly minority share percent percentage fraction proportion
accept accepted accordingly account add added adding adds advise allow allows amount anymore apart appear appears
appreciate apply arrange aside assemble assume assure avoid aware balance base based beg begin brief bunch came cap
capped care careful catch chance cheerful choosing collect combination come comfortable compile comply concern concerns
condition confine constraint constraints cool correct count counted counting cover create cut decent definite deliver
demand deny desire devote discover display ditch double draw drop easily eager enjoyable ensure entry essential every
exceed exclude excluding exclusive exclusively expect extra fact fair fan fancy favor favour feature fetch figure filter
fix flexible focus fond forget forward fraction gather generate grab grateful guarantee handful hand handle heads hint
hit hold honest honestly hook hoping ignore including insist instance intend issue job keen lack latter lay leading
length limitation line lineup listing load lock main maintain manage mandatory mandate mark meet mention mere merely
minus mostly narrow necessity nobody note notice objection obviously occasion occupy occur odd ordinary otherwise owing
pack page pass passion perfectly permit permitted pleasant pleased pleasure pointer pool portion precise precisely
preference prepare presence pull purely push quota quote ration reach readily reads receive reduce refer regard regards
reject relevant rely remainder remember remove repeat repeats replace require required requirement requirements reserve
respect restrict restriction retain return rid roll rows rule rules run safe sake satisfy scratch screen seek sees serve
serves setting settle share sharp sheer shift shoot shop shot sign significantly simple simply sit skip slightly slots
solely somewhere sooner split spread stack stand state statement stay steer stick stretch strike string strong struggle
substantial suffice suggests suited sum supply support surely surprise swap task tend tends term terms thanks thinking
throw tired toss touch track trouble true trust turn unique unlikely unseen update useful utterly vary view wait walk
wary watch welcome whack whatsoever whichever willing wonder won worry worth wrap write exact exactly considering
combined contribute contributes crop delight dominate duplicate duplicates erase evenly exempt extent familiar featuring
feed fewest finish former freely front fulfil fully gladly goal greatly halfway highest himself hungry incl interval
inventory item kindly laid lately leaning lest lets likewise loosely loud lucky majority meant menu midway mild mildly
moderately mustn neat needn non nor nudge offering omit optional optionally oriented ours overlap partial partly pile
placed placement plainly plural populate precede preferred primary prior prioritise prioritize priority quarter queue
rarely rated rating ratio recall rejects reliable reluctant remark restricted revisit rotate roughly satisfied scatter
scope seldom separate separately sequence shelf shortlist shown sized skipping softly solid span specifically starter
strictness stuffed subject subset suffer suitable supposed tail target third tolerate tops treat truly twist ultimately
undoubtedly unfamiliar unwanted upper upto urge vast veto void weight weigh whilst wholly wide wise wishing wishlist
apps couldn didn doesn don hasn haven isn mightn shan shouldn wasn weren wouldn ain bored boring tastes interests
history histories watching reading eating buying trip tonight's wanna gonna gotta lemme gimme pls plz thx ta lol btw
""".split()


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Return every word that is plain English or request language, in lower case."""
    templates = (template for group in PHRASES["train"].values() for template in group)
    words = {word for template in templates for word in re.findall(r"[a-z']+", template.lower())}
    bare = {word.replace("'", "") for word in words}
    return frozenset(words | bare | set(_PLAIN))
