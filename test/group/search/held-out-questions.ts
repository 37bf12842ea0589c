/**
 * Questions by which the ranking is judged and was never tuned, written by somebody who had not seen it. Those of people
 * who do not think of words that tools use (`hard`) share next to none with the tool that they mean.
 */
import type { Question } from './questions.ts'

export type HeldOutQuestion = Pick<Question, 'asks' | 'right'>

export const neutralQuestions: readonly HeldOutQuestion[] = [
  { asks: 'cpu usage of the web servers over the last hour', right: ['datadog__query_metrics'] },
  {
    asks: "look up today's news about the elections",
    right: ['tavily__tavily_search', 'exa__web_search_exa'],
  },
  { asks: 'see how the site looks in dark mode', right: ['playwright__browser_emulate_media'] },
  { asks: '3pm in New York is what time in Berlin?', right: ['time__convert_time'] },
  { asks: "what's on my calendar tomorrow", right: ['google-calendar__list-events'] },
  { asks: 'rename a file', right: ['filesystem__move_file'] },
  { asks: 'approve a pull request', right: ['github__create_pull_request_review'] },
  { asks: 'find the context7 id for next.js', right: ['context7__resolve-library-id'] },
  {
    asks: 'what time is it in Tokyo right now',
    right: ['time__get_current_time', 'google-calendar__get-current-time'],
  },
  {
    asks: 'look for open source projects on github about pdf parsing',
    right: ['github__search_repositories'],
  },
  { asks: 'how fast do our pages load for real users', right: ['datadog__get_rum_page_performance'] },
  {
    asks: 'how many orders in mongo have status shipped',
    right: ['mongodb__count', 'mongodb__aggregate', 'mongodb__aggregate-db'],
  },
  { asks: 'set a field on every document where the country is France', right: ['mongodb__update-many'] },
  {
    asks: 'show the last 50 lines of a log file on disk',
    right: ['filesystem__read_text_file', 'filesystem__read_file'],
  },
  { asks: 'search the production logs for timeout errors', right: ['datadog__get_logs'] },
  {
    asks: 'pick a country from the drop-down on the page',
    right: ['playwright__browser_select_option', 'playwright__browser_fill_form'],
  },
  {
    asks: 'which files in this folder take up the most space',
    right: ['filesystem__list_directory_with_sizes'],
  },
  { asks: 'read the current docs of a library, with code samples', right: ['context7__query-docs'] },
  { asks: 'mark a mail as read', right: ['gmail__modify_email', 'gmail__batch_modify_emails'] },
  {
    asks: 'am I free on Thursday afternoon?',
    right: ['google-calendar__get-freebusy', 'google-calendar__list-events'],
  },
  {
    asks: 'I need a thorough report on a market, drawn from many sources',
    right: ['tavily__tavily_research'],
  },
  { asks: 'click the submit button', right: ['playwright__browser_click'] },
  { asks: 'check that my circleci yaml is valid', right: ['circleci__config_helper'] },
  { asks: "make my own copy of someone else's repo on github", right: ['github__fork_repository'] },
  { asks: 'which alerts are firing right now', right: ['datadog__get_monitors'] },
  { asks: 'get all the links of a website, like a sitemap', right: ['tavily__tavily_map'] },
  { asks: 'give that slack message a thumbs up', right: ['slack__slack_add_reaction'] },
  { asks: 'why is this mongo query slow, does it use an index', right: ['mongodb__explain'] },
  { asks: 'save the PDF that came with this mail', right: ['gmail__download_attachment'] },
  { asks: 'are all the checks green on this PR?', right: ['github__get_pull_request_status'] },
  { asks: 'close an issue on github', right: ['github__update_issue'] },
  { asks: 'what did commit a1b2c3d change', right: ['git__git_show'] },
  { asks: 'are there javascript errors on the page?', right: ['playwright__browser_console_messages'] },
  { asks: 'add some records to a mongo collection', right: ['mongodb__insert-many'] },
  { asks: 'which API calls does the page make', right: ['playwright__browser_network_requests'] },
  { asks: 'find mails from my boss with an attachment', right: ['gmail__search_emails'] },
  { asks: 'retry the failed jobs of a CI run', right: ['circleci__rerun_workflow'] },
  { asks: 'replace a few lines in a source file', right: ['filesystem__edit_file'] },
  {
    asks: 'read the article behind this link',
    right: ['exa__web_fetch_exa', 'fetch__fetch', 'tavily__tavily_extract'],
  },
  { asks: 'file a bug report in the repo', right: ['github__create_issue'] },
  {
    asks: 'look up what I remember about this project',
    right: ['memory__search_nodes', 'memory__open_nodes', 'memory__read_graph'],
  },
  { asks: 'see which files a PR touches', right: ['github__get_pull_request_files'] },
  { asks: 'get the raw html of a url', right: ['fetch__fetch'] },
  { asks: "write an email but don't send it yet", right: ['gmail__draft_email'] },
  { asks: 'move the standup to 10am', right: ['google-calendar__update-event'] },
  { asks: "silence the alerts during tonight's maintenance window", right: ['datadog__schedule_downtime'] },
  {
    asks: 'what have people been saying in this channel lately',
    right: ['slack__slack_get_channel_history'],
  },
  { asks: 'compare my branch with main', right: ['git__git_diff'] },
  { asks: 'decline a meeting invite', right: ['google-calendar__respond-to-event'] },
  { asks: 'what fields do the documents in this collection have', right: ['mongodb__collection-schema'] },
  { asks: "find someone's LinkedIn profile", right: ['exa__web_search_exa', 'tavily__tavily_search'] },
  {
    asks: 'I need to think a hard problem through step by step',
    right: ['sequential-thinking__sequentialthinking'],
  },
  { asks: "send a message to the team's slack channel", right: ['slack__slack_post_message'] },
  { asks: 'which tests fail only now and then', right: ['circleci__find_flaky_tests'] },
  { asks: 'switch to another branch', right: ['git__git_checkout'] },
  {
    asks: 'remember a new fact about the user',
    right: ['memory__add_observations', 'memory__create_entities'],
  },
  { asks: 'when was this file last changed and how big is it', right: ['filesystem__get_file_info'] },
  { asks: 'attach a photo to the upload field of a web form', right: ['playwright__browser_file_upload'] },
  { asks: 'forget everything stored about a person', right: ['memory__delete_entities'] },
  { asks: 'why did the CI build fail?', right: ['circleci__get_build_failure_logs'] },
]

export const hardQuestions: readonly HeldOutQuestion[] = [
  { asks: 'What tags have I got in my mailbox?', right: ['gmail__list_email_labels'] },
  {
    asks: "Which tests sometimes pass and sometimes don't although nobody touched anything?",
    right: ['circleci__find_flaky_tests'],
  },
  {
    asks: "what I once told you about Lena's allergies",
    right: ['memory__search_nodes', 'memory__open_nodes'],
  },
  {
    asks: 'It has two approvals now, so squash it and get it into main, please.',
    right: ['github__merge_pull_request'],
  },
  {
    asks: 'Please say me, in which folders may you at all look?',
    right: ['filesystem__list_allowed_directories'],
  },
  { asks: 'github rust developers living in Berlin', right: ['github__search_users'] },
  { asks: "give Tom's post a thumbs up", right: ['slack__slack_add_reaction'] },
  { asks: 'does Susi have time Thursday afternoon?', right: ['google-calendar__get-freebusy'] },
  { asks: 'js errors on the site', right: ['playwright__browser_console_messages'] },
  {
    asks: 'From today, everything the shop newsletter sends me should skip my inbox by itself.',
    right: ['gmail__create_filter', 'gmail__create_filter_from_template'],
  },
  { asks: 'who did what in this repo last week', right: ['git__git_log', 'github__list_commits'] },
  { asks: 'what fields do orders have, mongo', right: ['mongodb__collection-schema'] },
  {
    asks: 'We patch everything on Sunday between 2 and 4 at night, nobody should be paged then.',
    right: ['datadog__schedule_downtime'],
  },
  { asks: 'bin these forty mails for good', right: ['gmail__batch_delete_emails'] },
  {
    asks: 'If the call starts at 9 in New York, when is that for us in Vienna?',
    right: ['time__convert_time'],
  },
  {
    asks: "this one is tricky, don't rush, go at it bit by bit and change your mind where you were wrong",
    right: ['sequential-thinking__sequentialthinking'],
  },
  { asks: 'how many customers without an e-mail address do we have in there', right: ['mongodb__count'] },
  { asks: 'How many machines are by us at the moment running?', right: ['datadog__get_active_hosts_count'] },
  { asks: 'CI is red, show me what went wrong', right: ['circleci__get_build_failure_logs'] },
  { asks: 'lufthansa strike latest', right: ['exa__web_search_exa', 'tavily__tavily_search'] },
  {
    asks: "I want my own copy of somebody else's project so I can play around with it",
    right: ['github__fork_repository'],
  },
  {
    asks: 'write me a thorough dossier on heat pumps in old houses, with many references',
    right: ['tavily__tavily_research'],
  },
  { asks: 'slow checkout requests, spans, last 15 min', right: ['datadog__list_traces'] },
  { asks: 'forget my ex-colleague Martin and all that hangs on him', right: ['memory__delete_entities'] },
  {
    asks: 'make it as smal as on a phone so I can see if the layuot breaks',
    right: ['playwright__browser_resize'],
  },
  { asks: 'when was this document last touched', right: ['filesystem__get_file_info'] },
  { asks: "push my 3 o'clock metting back by an huor", right: ['google-calendar__update-event'] },
  { asks: 'hold on until the spinner is gone', right: ['playwright__browser_wait_for'] },
  { asks: 'I want to keep working on develop, take me over there.', right: ['git__git_checkout'] },
  { asks: 'Set by all customers from Zurich the discount on ten percent', right: ['mongodb__update-many'] },
  { asks: 'apk out of last nightly build', right: ['circleci__list_artifacts'] },
  { asks: 'answer below her slack question', right: ['slack__slack_reply_to_thread'] },
  {
    asks: 'the new release is broken, bring production back to what we had yesterday',
    right: ['circleci__run_rollback_pipeline'],
  },
  { asks: 'oops, I added too much, take it all back out before I commit', right: ['git__git_reset'] },
  { asks: 'cpu of web-03 past hour', right: ['datadog__query_metrics'] },
  { asks: 'what exactly did 4f2a9c do', right: ['git__git_show'] },
  { asks: 'which alarms are going off right now', right: ['datadog__get_monitors'] },
  { asks: "letter to landlord, don't mail it yet", right: ['gmail__draft_email'] },
  { asks: 'From now on report.txt should be called report_old.txt.', right: ['filesystem__move_file'] },
  {
    asks: 'when is the dentist again',
    right: ['google-calendar__search-events', 'google-calendar__list-events'],
  },
  { asks: 'make serching customers by last name fastr', right: ['mongodb__create-index'] },
  {
    asks: 'useEffect cleanup, newest react manual',
    right: ['context7__query-docs', 'context7__resolve-library-id'],
  },
  {
    asks: 'Could you all these mails from yesterday please set on read?',
    right: ['gmail__batch_modify_emails'],
  },
  {
    asks: "Tell them I can't make it to the Friday kickoff they asked me to join.",
    right: ['google-calendar__respond-to-event'],
  },
  {
    asks: 'Connect those two in what you know: Jonas is married to Petra.',
    right: ['memory__create_relations'],
  },
  { asks: 'a popup asks "are you sure?", just say OK', right: ['playwright__browser_handle_dialog'] },
  {
    asks: 'Make me please a foto from the web side, how it looks now',
    right: ['playwright__browser_take_screenshot'],
  },
  {
    asks: 'what is eating up so much space in my downloads',
    right: ['filesystem__list_directory_with_sizes'],
  },
  {
    asks: 'Have a look at https://example.org/news and tell me what it says there.',
    right: ['fetch__fetch', 'exa__web_fetch_exa', 'tavily__tavily_extract', 'playwright__browser_navigate'],
  },
  { asks: 'who calls parseInvoice, any public repo', right: ['github__search_code'] },
  {
    asks: 'Why is this lookup so slow, does it walk through every single record?',
    right: ['mongodb__explain'],
  },
  {
    asks: 'waht time is it in Tokio',
    right: ['time__get_current_time', 'google-calendar__get-current-time'],
  },
  {
    asks: 'Can you tell me please if at my PR already everything is green?',
    right: ['github__get_pull_request_status'],
  },
  { asks: 'throw all of test_db away, I mean everything in it', right: ['mongodb__drop-database'] },
  { asks: 'save the PDF that Mr. Huber sent along', right: ['gmail__download_attachment'] },
  { asks: 'how fast does our shop load for real visitors', right: ['datadog__get_rum_page_performance'] },
  {
    asks: 'I only need the addresses of everything below shop.example.com, not the text itself.',
    right: ['tavily__tavily_map'],
  },
  {
    asks: 'What were people talking about in #marketing this morning?',
    right: ['slack__slack_get_channel_history'],
  },
  { asks: 'the login crash is fixed, close the ticket', right: ['github__update_issue'] },
  {
    asks: 'How would the site look to somebody whose computer is in night mode?',
    right: ['playwright__browser_emulate_media'],
  },
]
