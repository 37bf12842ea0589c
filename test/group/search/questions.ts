/** Questions by which the ranking was tuned; those that it is judged by were written by somebody else. */

export interface Question {
  readonly asks: string
  /** Any of these is right. */
  readonly right: readonly string[]
}

export const tuningQuestions: readonly Question[] = [
  { asks: 'open a bug ticket on GitHub', right: ['github__create_issue'] },
  { asks: 'who wrote the last changes on this branch', right: ['git__git_log', 'github__list_commits'] },
  { asks: 'put a thumbs up on a slack message', right: ['slack__slack_add_reaction'] },
  { asks: 'what did people say in the general channel today', right: ['slack__slack_get_channel_history'] },
  { asks: 'read a text file from disk', right: ['filesystem__read_text_file', 'filesystem__read_file'] },
  { asks: 'rename a folder', right: ['filesystem__move_file'] },
  { asks: 'how big are the files in this directory', right: ['filesystem__list_directory_with_sizes'] },
  {
    asks: 'remember that Anna works at Acme',
    right: ['memory__add_observations', 'memory__create_entities', 'memory__create_relations'],
  },
  { asks: 'forget everything about a person', right: ['memory__delete_entities'] },
  { asks: 'take a picture of the web page', right: ['playwright__browser_take_screenshot'] },
  { asks: 'click the login button', right: ['playwright__browser_click'] },
  { asks: 'upload my CV to the form', right: ['playwright__browser_file_upload'] },
  {
    asks: 'look up the documentation of a library',
    right: ['context7__query-docs', 'context7__resolve-library-id'],
  },
  { asks: 'search the internet for news', right: ['tavily__tavily_search', 'exa__web_search_exa'] },
  {
    asks: 'get the text of an article from its link',
    right: ['fetch__fetch', 'tavily__tavily_extract', 'exa__web_fetch_exa'],
  },
  { asks: 'how many documents match in my mongo collection', right: ['mongodb__count'] },
  { asks: 'make queries faster by adding an index', right: ['mongodb__create-index'] },
  { asks: 'which databases are there', right: ['mongodb__list-databases'] },
  { asks: 'schedule a meeting with Bob tomorrow at 3', right: ['google-calendar__create-event'] },
  { asks: 'am I free on friday afternoon', right: ['google-calendar__get-freebusy'] },
  { asks: 'decline the invitation', right: ['google-calendar__respond-to-event'] },
  { asks: 'write an email to my boss but do not send it yet', right: ['gmail__draft_email'] },
  { asks: 'save the attachment of that mail', right: ['gmail__download_attachment'] },
  {
    asks: 'move all newsletters to a folder',
    right: ['gmail__batch_modify_emails', 'gmail__modify_email', 'gmail__create_filter'],
  },
  {
    asks: 'stop alerts for a machine while we do maintenance',
    right: ['datadog__mute_host', 'datadog__schedule_downtime'],
  },
  { asks: 'show me the error logs of the service', right: ['datadog__get_logs'] },
  { asks: 'why did the CI build break', right: ['circleci__get_build_failure_logs'] },
  { asks: 'start the pipeline again', right: ['circleci__rerun_workflow', 'circleci__run_pipeline'] },
  { asks: 'undo git add', right: ['git__git_reset'] },
  { asks: 'what time is it in Tokyo', right: ['time__get_current_time', 'time__convert_time'] },
]
