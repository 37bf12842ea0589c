/**
 * Questions by which the ranking was tuned; those that it is judged by were written by somebody else. Each stands there
 * as a person says it, and as a model asks that does what find_tools tells it to: actions and things, in several wordings.
 */

export interface Question {
  readonly asks: string
  readonly wording: string
  /** Any of these is right. */
  readonly right: readonly string[]
}

export const tuningQuestions: readonly Question[] = [
  {
    asks: 'open a bug ticket on GitHub',
    wording: 'create github issue, open bug ticket',
    right: ['github__create_issue'],
  },
  {
    asks: 'who wrote the last changes on this branch',
    wording: 'git log, list commits on branch',
    right: ['git__git_log', 'github__list_commits'],
  },
  {
    asks: 'put a thumbs up on a slack message',
    wording: 'slack add emoji reaction to message',
    right: ['slack__slack_add_reaction'],
  },
  {
    asks: 'what did people say in the general channel today',
    wording: 'slack read channel messages, get channel history',
    right: ['slack__slack_get_channel_history'],
  },
  {
    asks: 'read a text file from disk',
    wording: 'read file contents',
    right: ['filesystem__read_text_file', 'filesystem__read_file'],
  },
  { asks: 'rename a folder', wording: 'rename directory, move folder', right: ['filesystem__move_file'] },
  {
    asks: 'how big are the files in this directory',
    wording: 'list directory with file sizes',
    right: ['filesystem__list_directory_with_sizes'],
  },
  {
    asks: 'remember that Anna works at Acme',
    wording: 'memory store fact, create entity, add relation',
    right: ['memory__add_observations', 'memory__create_entities', 'memory__create_relations'],
  },
  {
    asks: 'forget everything about a person',
    wording: 'memory delete entity, forget person',
    right: ['memory__delete_entities'],
  },
  {
    asks: 'take a picture of the web page',
    wording: 'browser take screenshot of page',
    right: ['playwright__browser_take_screenshot'],
  },
  { asks: 'click the login button', wording: 'browser click element', right: ['playwright__browser_click'] },
  {
    asks: 'upload my CV to the form',
    wording: 'browser upload file',
    right: ['playwright__browser_file_upload'],
  },
  {
    asks: 'look up the documentation of a library',
    wording: 'search library documentation',
    right: ['context7__query-docs', 'context7__resolve-library-id'],
  },
  {
    asks: 'search the internet for news',
    wording: 'web search news',
    right: ['tavily__tavily_search', 'exa__web_search_exa'],
  },
  {
    asks: 'get the text of an article from its link',
    wording: 'fetch web page content from url, extract article text',
    right: ['fetch__fetch', 'tavily__tavily_extract', 'exa__web_fetch_exa'],
  },
  {
    asks: 'how many documents match in my mongo collection',
    wording: 'count documents in mongodb collection',
    right: ['mongodb__count'],
  },
  {
    asks: 'make queries faster by adding an index',
    wording: 'mongodb create index',
    right: ['mongodb__create-index'],
  },
  {
    asks: 'which databases are there',
    wording: 'mongodb list databases',
    right: ['mongodb__list-databases'],
  },
  {
    asks: 'schedule a meeting with Bob tomorrow at 3',
    wording: 'create calendar event, schedule meeting',
    right: ['google-calendar__create-event'],
  },
  {
    asks: 'am I free on friday afternoon',
    wording: 'check calendar availability, free busy',
    right: ['google-calendar__get-freebusy'],
  },
  {
    asks: 'decline the invitation',
    wording: 'respond to calendar event, decline invitation',
    right: ['google-calendar__respond-to-event'],
  },
  {
    asks: 'write an email to my boss but do not send it yet',
    wording: 'create email draft',
    right: ['gmail__draft_email'],
  },
  {
    asks: 'save the attachment of that mail',
    wording: 'download email attachment',
    right: ['gmail__download_attachment'],
  },
  {
    asks: 'move all newsletters to a folder',
    wording: 'move emails to label, modify emails in bulk',
    right: ['gmail__batch_modify_emails', 'gmail__modify_email', 'gmail__create_filter'],
  },
  {
    asks: 'stop alerts for a machine while we do maintenance',
    wording: 'mute host, schedule downtime for monitoring',
    right: ['datadog__mute_host', 'datadog__schedule_downtime'],
  },
  {
    asks: 'show me the error logs of the service',
    wording: 'search error logs',
    right: ['datadog__get_logs'],
  },
  {
    asks: 'why did the CI build break',
    wording: 'get ci build failure logs',
    right: ['circleci__get_build_failure_logs'],
  },
  {
    asks: 'start the pipeline again',
    wording: 'rerun pipeline, trigger workflow',
    right: ['circleci__rerun_workflow', 'circleci__run_pipeline'],
  },
  { asks: 'undo git add', wording: 'git unstage files, reset staging', right: ['git__git_reset'] },
  {
    asks: 'what time is it in Tokyo',
    wording: 'get current time in timezone',
    right: ['time__get_current_time', 'time__convert_time'],
  },
  {
    asks: 'wait until the page says "done"',
    wording: 'browser wait for text',
    right: ['playwright__browser_wait_for'],
  },
  {
    asks: 'save this text into a new file',
    wording: 'write file, create file with text',
    right: ['filesystem__write_file'],
  },
  {
    asks: 'how much space does the database take',
    wording: 'database statistics, storage size',
    right: ['mongodb__db-stats', 'mongodb__collection-storage-size', 'mongodb__list-databases'],
  },
  {
    asks: 'the maintenance is over, end the planned outage early',
    wording: 'cancel scheduled downtime',
    right: ['datadog__cancel_downtime'],
  },
  {
    asks: 'reply on the bug that I cannot reproduce it',
    wording: 'add comment to github issue',
    right: ['github__add_issue_comment'],
  },
  {
    asks: 'show open PRs waiting for me',
    wording: 'list open pull requests',
    right: ['github__list_pull_requests'],
  },
  {
    asks: 'throw this mail away for good',
    wording: 'delete email permanently',
    right: ['gmail__delete_email'],
  },
  {
    asks: 'what did reviewers write on my PR',
    wording: 'get pull request review comments',
    right: ['github__get_pull_request_comments', 'github__get_pull_request_reviews'],
  },
  {
    asks: 'group orders by customer and sum the totals in mongo',
    wording: 'mongodb aggregate, group and sum',
    right: ['mongodb__aggregate', 'mongodb__aggregate-db'],
  },
  {
    asks: 'automatically sort mail from a mailing list',
    wording: 'create email filter for mailing list',
    right: ['gmail__create_filter_from_template', 'gmail__create_filter'],
  },
  {
    asks: 'has anyone already reported this crash',
    wording: 'search github issues',
    right: ['github__search_issues', 'github__list_issues'],
  },
  {
    asks: 'what day is it today',
    wording: 'get current date',
    right: ['google-calendar__get-current-time', 'time__get_current_time'],
  },
  {
    asks: 'show me everything you have remembered',
    wording: 'read whole memory, show knowledge graph',
    right: ['memory__read_graph'],
  },
  {
    asks: 'did all checks pass on my pull request',
    wording: 'get pull request status checks',
    right: ['github__get_pull_request_status'],
  },
  {
    asks: 'what tables are in the shop database',
    wording: 'list collections in database',
    right: ['mongodb__list-collections'],
  },
  {
    asks: 'why is this query slow',
    wording: 'explain query, query performance plan',
    right: ['mongodb__explain'],
  },
  {
    asks: 'accept the popup',
    wording: 'browser accept dialog, handle alert popup',
    right: ['playwright__browser_handle_dialog'],
  },
  {
    asks: 'bring my branch up to date with main',
    wording: 'update pull request branch with main',
    right: ['github__update_pull_request_branch'],
  },
  {
    asks: 'make a new folder for invoices in my mailbox',
    wording: 'create mail label',
    right: ['gmail__create_label', 'gmail__get_or_create_label'],
  },
  {
    asks: 'dump the query result to a json file',
    wording: 'export query results to json',
    right: ['mongodb__export'],
  },
  { asks: "find a person's github account", wording: 'search github users', right: ['github__search_users'] },
  {
    asks: 'read the answers under that slack post',
    wording: 'get slack thread replies',
    right: ['slack__slack_get_thread_replies'],
  },
  {
    asks: 'think through this problem step by step',
    wording: 'step by step thinking',
    right: ['sequential-thinking__sequentialthinking'],
  },
  { asks: 'alerts for web-1 should come again', wording: 'unmute host', right: ['datadog__unmute_host'] },
  { asks: 'stage the changed files', wording: 'git stage files, git add', right: ['git__git_add'] },
  {
    asks: 'kick off a build of the main branch',
    wording: 'trigger ci pipeline, start build',
    right: ['circleci__run_pipeline'],
  },
  {
    asks: 'which requests made the page load slow for this session',
    wording: 'page load waterfall, performance of requests in session',
    right: [
      'datadog__get_rum_page_waterfall',
      'datadog__get_rum_page_performance',
      'playwright__browser_network_requests',
    ],
  },
  {
    asks: 'download a web page',
    wording: 'fetch web page',
    right: ['fetch__fetch', 'exa__web_fetch_exa', 'tavily__tavily_extract', 'tavily__tavily_crawl'],
  },
  { asks: 'what was in commit abc123', wording: 'show git commit contents', right: ['git__git_show'] },
  {
    asks: 'find files named *.log',
    wording: 'find files by name pattern',
    right: ['filesystem__search_files'],
  },
]
