"""Words of the request language and of plain English: never a category, never left over as not understood."""

from __future__ import annotations

import re
from functools import lru_cache

from steerec.control.templates import PHRASES

# What requests are made of apart from names; the words of the train phrasings are added to these.
_WORDS = """
a about above absolutely accept accepted accordingly account across actually add added adding adds advise
after again ain all allow allows almost along already also although always am among amount an and another
any anybody anyhow anymore anyone anything anyway apart appear appears apply appreciate approx apps are
around arrange as aside ask asked asking assemble assume assure at available avoid aware away awesome back
bad balance base based be became because become been before beg began begin behind being believe below
best better between beyond big bit book booked bored boring both bought brief bring btw bunch but buy
buying by call came can cap capped care careful case catch certain certainly chance change cheerful cheers
chiefly choice choose choosing chosen clear clearly close collect combination combined come comes
comfortable coming compile complete completely comply concern concerns condition confine consider
considering constraint constraints contain contains contribute contributes cool correct could couldn count
counted counting couple course cover create crop cut day days deal dear decent decide definite definitely
delight deliver demand deny depends desire devote did didn different discover display ditch do does doesn
doing dominate don done double down dozen draw drop due duplicate duplicates during each eager earlier
early easily easy eat eating either else end enjoy enjoyable enough ensure entire entirely entry equal
erase essential even evening evenly ever every everybody everyone everything exact exactly example exceed
except exclude excluding exclusive exclusively exempt expect extent extra fact fair fairly familiar fan
fancy far fast favor favorite favour favourite feature featuring feed feel fetch few fewer fewest figure
fill film films filter final finally find fine finish first fit fits five fix flexible focus following
fond for forget former forward four fraction free freely friend friends from front fulfil full fully
further gather gave general generally generate get gets getting gift gimme give given gives giving glad
gladly go goal goes going gonna good got gotta gotten grab grateful great greatly group guarantee guess
had half halfway hand handful handle happen happy hard has hasn have haven having he heads hear hello help
hence her here hey hi high higher highest him himself hint his histories history hit hold honest honestly
hook hope hoping how however hungry i idea ideally ideas if ignore imagine important in incl include
included includes including indeed inside insist instance instead intend interest interested interesting
interests interval into inventory is isn issue it item items its itself job just keen keep keeps kid kind
kindly kinds know known lack laid large largely last late lately later latest latter lay lead leading
leaning least leave leaving lemme length less lest let lets like liked likely likes likewise limit
limitation line lineup list listen listing lists little load lock lol long longer look looking loosely lot
lots loud love loved lovely low lower lucky made main mainly maintain majority make makes making manage
mandate mandatory many mark match matches matter max maximum may maybe me mean means meant meet member
mention menu mere merely midway might mightn mild mildly min mind mine minimum minority minus minute
minutes miss mix moderately moment month months mood more moreover most mostly movie movies mr mrs much
must mustn my myself name named namely narrow near nearly neat necessarily necessary necessity need needed
needn needs neither never new newer next nice nicely night nine no nobody non none nor normally not note
nothing notice now nowhere nudge number objection obviously occasion occupy occur odd of off offer
offering often oh ok okay old older omit on once one ones only onto open option optional optionally or
order ordered ordinary oriented other others otherwise ought our ours out over overall overlap owing own
pack page pair part partial particular partly pass passion past people per percent percentage perfect
perfectly perhaps permit permitted person pick picked picking picks piece pile place placed placement
places plainly plan plans play played pleasant please pleased pleasure plenty pls plural plus plz point
pointer pool populate portion position positions possible possibly precede precise precisely predominantly
prefer preferably preference preferred prepare presence present pretty previous previously primarily
primary prior prioritise prioritize priority probably product products proper proportion provide pull
purely push put quality quarter queue quick quickly quite quota quote random range rank rarely rated
rather rating ratio ration reach read readily reading reads ready real really reason recall receive recent
recently recommend recommendation recommendations recommended reduce refer regard regarding regards reject
rejects relevant reliable reluctant rely remain remainder remaining remark remember remove repeat repeats
replace request require required requirement requirements reserve respect rest restrict restricted
restriction result results retain return revisit rid right roll room rotate roughly round rows rule rules
run safe sake same satisfied satisfy saw say scatter scope scratch screen search second see seek seem
seems seen sees seldom select selection send sense separate separately sequence series serious serve
serves set setting settle seven several shall shan share sharp she sheer shelf shift shoot shop short
shortlist shot should shouldn show shown shows sign significantly similar simple simply since single sit
six sized skip skipping slightly slot slots small so softly solely solid some somebody somehow someone
something sometimes somewhat somewhere soon sooner sorry sort span specific specifically split spot spread
stack stand start started starter starting state statement stay steer stick still stop stretch strict
strictly strictness strike string strong struggle stuff stuffed subject subset substantial such suffer
suffice suggest suggested suggestion suggestions suggests suit suitable suited sum supply support supposed
sure surely surprise swap ta tail take taken taking target task taste tastes tell ten tend tends term
terms than thank thanks that the their them themselves then there therefore thereof these they thing
things think thinking third this those though three through throughout throw thus thx time times tired
title titles to today together told tolerate tomorrow tonight tonight's too took top tops toss total
totally touch toward towards track treat tried trip trouble true truly trust try trying turn twelve twice
twist two type types ultimately under undoubtedly unfamiliar unique unless unlike unlikely unseen until
unwanted up update upon upper upto urge us use used useful using usual usually utterly value variety
various vary vast very veto via view visit void wait walk wanna want wanted wants wary was wasn watch
watched watching way we week weekend weeks weigh weight welcome well went were weren whack what whatever
whatsoever when where whether which whichever while whilst who whole wholly whom whose why wide will
willing wise wish wishing wishlist with within without won wonder wonderful word work works worry worse
worst worth would wouldn wow wrap write year years yes yet you your yours yourself zero
"""
_PLAIN = frozenset(_WORDS.split())


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Return every word that is plain English or request language, in lower case."""
    templates = (template for group in PHRASES["train"].values() for template in group)
    words = {word for template in templates for word in re.findall(r"[a-z']+", template.lower())}
    bare = {word.replace("'", "") for word in words}
    return frozenset(words | bare | _PLAIN)
