"""Requests and descriptions that no person wrote: verbs and things put together by chance.

They show the fitting (make.py) how people ask and how tools are described. They may be nonsense: what they mean is
what the model says. None is a question of test/group/search.
"""
import random


def words(text):
    return [" ".join(part.split()) for part in text.split(";")]


OPENINGS = words("""
-; -; -; please; can you; could you please; I want to; I need to; I'd like to; how do I; help me; let's;
would you; go and; now; first; just; quickly; you should; time to; is it possible to; we have to; oops, I
have to; for my boss,; hey,
""")
ENDS = words("""
-; -; -; -; -; please; for me; now; right now; today; as soon as possible; before lunch; by tomorrow;
again; if you can; thanks; and tell me when it is done; but not yet; without asking me; for the team; at
home; on my phone; from last week; since yesterday; this month
""")
CASUAL_VERBS = words("""
open; close; shut down; start; stop; run; launch; restart; pause; resume; kill; cancel; abort; make;
create; build; add; put; set up; write; write down; note down; jot down; draw; paint; record; save; store;
keep; back up; archive; copy; duplicate; clone; move; shift; push back; postpone; rename; give a new name
to; change; edit; correct; fix; mend; repair; adjust; update; refresh; renew; replace; swap; remove;
delete; erase; wipe; get rid of; throw away; throw out; bin; trash; drop; clear; empty; clean up; tidy;
find; look for; look up; search; hunt down; track down; locate; get; fetch; grab; pull; bring; download;
upload; send; mail; post; share; forward; reply to; answer; respond to; react to; comment on; like;
approve; accept; agree to; reject; decline; refuse; turn down; sign off; merge; combine; join; split; cut;
compare; diff; check; verify; test; validate; inspect; look at; watch; monitor; view; see; show; show me;
display; print; list; list all; count; measure; weigh; calculate; work out; sum up; estimate; convert;
translate; summarize; explain; describe; tell me about; ask about; read; read out; scan; parse; extract;
export; dump; import; load; install; uninstall; deploy; roll back; undo; revert; restore; recover; redo;
retry; repeat; schedule; plan; arrange; book; reserve; order; buy; sell; pay; refund; invoice; bill;
charge; assign; hand over; give; lend; grant; allow; permit; forbid; block; ban; mute; silence; unmute;
hide; reveal; lock; unlock; encrypt; sign; log in to; log out of; connect; disconnect; link; tie together;
attach; detach; plug in; turn on; switch on; turn off; switch off; switch to; go to; visit; browse; click;
press; tap; type; fill in; select; choose; pick; drag; scroll; resize; zoom; take a picture of; capture;
film; play; listen to; learn; teach; remember; forget; remind me of; think about; decide; vote on; sort;
order by size; group; filter; label; tag; mark; flag; pin; star; subscribe to; unsubscribe from; follow;
unfollow; invite; call; ring; meet; greet; wait for; hold on for
""")
CASUAL_THINGS = words("""
the file; a folder; my documents; the pictures; a photo; the video; a song; the playlist; an email; my
mail; the letter; a message; the chat; the conversation; a thread; the channel; an issue; a ticket; a bug;
the task; my to-do list; the project; the board; a card; the meeting; an appointment; my calendar; the
event; the invitation; a reminder; the alarm; the alert; a warning; the error; the logs; the crash; the
server; a machine; the container; the cluster; the cpu load; the memory usage; disk space; the network;
the traffic; the database; a table; the rows; a record; the column; the index; the query; the report; the
chart; the dashboard; the numbers; the sales; the invoice; the order; the customer; a contact; the
address; a user; an account; the password; the permissions; the role; the team; the group; a branch; a
commit; the pull request; the repository; the code; a function; the class; the tests; the build; the
pipeline; a job; the release; the version; the package; the dependency; the docs; the manual; the wiki
page; a note; the article; the news; the web page; the site; the link; the tab; the browser; the button;
the form; the menu; the popup; the window; the screen; the image; the font; the color; the layout; the
map; the route; the weather; the flight; the hotel; the train; the time in London; the date; the timezone;
the price; the stock; the bank transfer; the tax; the recipe; the book; the movie; the game; the light;
the door; the heating; the camera; the phone; the printer; the battery; the settings; the configuration;
the environment variable; the secret; the certificate; the domain; the cache; the queue; the topic; the
webhook; the schedule; the workflow; the template; the survey; the answers; the feedback; the review; the
comment; the emoji; the attachment; the spreadsheet; the cell; the slide; the pdf; the archive; the
backup; the model; the dataset; the training run; everything you know about him; what I told you; my
shopping list; all of it; the old stuff; my friend Anna; the boss
""")
ASKED_OF_THINGS = words("""
what is {o}?; where is {o}?; where did I put {o}?; who changed {o}?; who owns {o}?; when was {o} last
changed?; how big is {o}?; how many of {o} are there?; how much is {o}?; why is {o} so slow?; why did {o}
fail?; what went wrong with {o}?; is {o} ready?; is {o} still running?; is there anything new in {o}?;
which of {o} is the newest?; what is inside {o}?; what does {o} look like?; does anybody use {o}?; what's
new about {o}; {o}, latest; history of {o}; status of {o}; all about {o}; what happened to {o}?; do I have
{o}?; what belongs to {o}?; how is {o} doing; {o} details; {o} {e}
""")
FORMAL_VERBS = words("""
Create; Add; Insert; Delete; Remove; List; Get; Fetch; Retrieve; Read; Search; Find; Query; Update;
Modify; Edit; Set; Rename; Move; Copy; Send; Post; Publish; Upload; Download; Export; Import; Run; Start;
Stop; Restart; Cancel; Schedule; Approve; Reject; Merge; Close; Open; Archive; Restore; Revert; Enable;
Disable; Mute; Unmute; Subscribe to; Watch; Count; Aggregate; Compare; Show differences of; Validate;
Check the status of; Describe; Explain; Summarize; Translate; Convert; Resize; Click on; Type text into;
Select; Submit; Navigate to; Capture; Wait for; Assign; Label; Tag; Comment on; Reply to; React to; Share;
Invite a user to; Grant access to; Revoke; Lock; Log; Record; Monitor; Return details about; Return a list
of; Manage
""")
THINGS = words("""
file; folder; directory tree; document; spreadsheet; row; column; cell range; table; schema; view; index;
collection; record; field; key; value; cache entry; database; query plan; backup; snapshot; migration;
user; group; role; permission; team; account; profile; session; token; secret; certificate; domain; DNS
record; website; web page; page element; form field; dropdown; button; dialog; browser tab; screenshot;
console log; network request; cookie; viewport; URL; search result; article; feed; news item; image;
video; audio track; playlist; album; transcript; subtitle; email; draft; mailbox; label; attachment; mail
rule; thread; message; channel; direct message; emoji reaction; notification; reminder; calendar; calendar
event; meeting; availability; attendee; invitation; time zone; date; task; to-do list; issue; bug report;
ticket; epic; sprint; milestone; board; card; comment; review; pull request; merge request; branch;
commit; tag; diff; repository; fork; gist; code search result; release; build; pipeline; workflow; job;
artifact; test result; flaky test; deployment; environment; container; image registry; pod; node; service;
host; virtual machine; server; cluster; load balancer; firewall rule; bucket; object; queue; topic;
webhook; function; cron job; log line; metric; dashboard; chart; alert; monitor; incident; downtime;
on-call schedule; trace; error; stack trace; cost report; invoice; payment; refund; subscription; coupon;
order; product; inventory; shipment; customer; contact; lead; deal; company; call; text message; phone
number; address; place; route; map; weather forecast; flight; hotel booking; ticket reservation; recipe;
meal; workout; sleep record; lamp; thermostat; door lock; robot vacuum; sensor; camera; printer; note;
notebook; bookmark; knowledge graph entity; relation; fact; memory; observation; idea; plan; step of
reasoning; library documentation; package; dependency; vulnerability; license; template; survey; form
response; poll; translation; currency; stock price; exchange rate; bank transaction; card; budget; tax;
contract; signature; PDF page; slide; model; dataset; prompt; embedding; experiment; training run
""")
HOW = words("""
-; -; -; -; by id; by name; in a project; in a repository; in a workspace; in a channel; of a user; from a
list; for a given date range; with filters; with pagination; in bulk; permanently; to a file; as JSON; on
the current page; from the web; at a given time; in the background; across all accounts; with an optional
comment; between two dates; that match a query; by its key; in a folder; on a remote host
""")
WHOSE = words("""
the {o}; that {o}; this {o}; my {o}; our {o}; a {o}; these {p}; all the {p}; the old {p}; the last {o};
another {o}; Tom's {o}; the wrong {o}; some {p}; the {p} from yesterday; the {o} for the shop; the {o}
about taxes
""")
ASKED_OF_WHOSE = words("""
what {p} do I have?; which {p} are there?; how many {p} do we have?; who made the {o}?; who touched the
{o} last?; where is the {o} that I saved?; why is the {o} so slow?; why does the {o} not work?; is the {o}
done yet?; did the {o} go through?; has anybody already seen this {o}?; what is in the {o}?; what does
that {o} look like?; when is the next {o}?; when did the {o} change?; how big is the {o}?; anything new
with the {p}?; I don't need the {o} any more; I can't find the {o}; there is something wrong with the {o};
the {o} is broken, go back to the one before; I want one more {o}; tell the others about the {o}; the {o}
should have another name; nobody should see the {o}; stop bothering me with {p}; {p} of last month; {o}
please; I forgot the {o}; the {o} has to be ready on Monday; put the {o} somewhere else; give me the {o}
on my disk; what do people say about the {o}?; what went wrong in the {o}?; compare the two {p}; can you
remember the {o} for me?; what did I tell you about the {o}?; from now on every {o} should go there by
itself; the {o} is too big; I made a mistake with the {o}, take it back; hold on until the {o} is there;
say yes to the {o}; say no to the {o}; I'm late for the {o}; which {o} is the best?
""")


def made(seed=11):
    """Some 110,000 of them, the same for the same seed."""
    chance = random.Random(seed)
    pick = chance.choice

    def casual_request():
        thing = pick(CASUAL_THINGS)
        if chance.random() < 0.3:
            request = pick(ASKED_OF_THINGS).format(o=thing, e=pick(ENDS))
        else:
            request = f"{pick(OPENINGS)} {pick(CASUAL_VERBS)} {thing} {pick(ENDS)}"
        if chance.random() < 0.15:
            request += f" and {pick(CASUAL_VERBS)} {pick(CASUAL_THINGS)}"
        return request

    def request():
        thing = pick(THINGS)
        named = {"o": thing, "p": plural(thing)}
        if chance.random() < 0.4:
            return pick(ASKED_OF_WHOSE).format(**named)
        return f"{pick(OPENINGS)} {pick(CASUAL_VERBS)} {pick(WHOSE).format(**named)} {pick(ENDS)}"

    def description():
        thing, verb = pick(THINGS), pick(FORMAL_VERBS)
        article = "an" if thing[0].lower() in "aeiou" else "a"
        many = plural(thing)
        which = pick([f"{article} {thing}", many, f"the {thing}", f"all {many}", f"one or more {many}"])
        said = f"{verb} {which} {pick(HOW)}".replace(" -", "").strip() + "."
        return f"{verb.lower().split()[0]} {thing}: {said}" if chance.random() < 0.25 else said

    def some(make, count):
        found = set()
        while len(found) < count:
            found.add(" ".join(word for word in make().split() if word != "-"))
        return sorted(found)

    return [*some(casual_request, 36_000), *some(request, 42_000), *some(description, 34_000)]


def plural(thing):
    if thing[-1] in "sxh":
        return thing + "es"
    if thing[-1] == "y" and thing[-2] not in "aeiou":
        return thing[:-1] + "ies"
    return thing + "s"
