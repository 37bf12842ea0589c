/**
 * The fixture's tools that need something from the client: sampling, elicitation, roots.
 *
 * Those named `test_input_required_…` are written once for both eras: they return what they need, and
 * in the legacy era the SDK turns that into real requests to the client.
 */
import {
  acceptedContent,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequests,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { defaultsForm, enumsForm, type FormSchema, userForm } from './forms.ts'
import type { RoundState, RoundStates } from './offer.ts'
import { schemaOf, textResult } from './plain-tools.ts'

type Answer = CallToolResult | InputRequiredResult
type Body = (context: ServerContext) => Answer | Promise<Answer>

/** Registers them. */
export function offerAskingTools(server: McpServer, states: RoundStates): void {
  offerPlainAskers(server)
  const add = (name: string, description: string, body: Body) =>
    server.registerTool(name, { description, inputSchema: schemaOf() }, (_args, context) => body(context))

  add('test_missing_capability', 'Needs sampling, declared or not', async (context) => {
    if (context.mcpReq.envelope === undefined) {
      // As servers of the legacy era do: ask, and see what comes back.
      const answer = await context.mcpReq.send({
        method: 'sampling/createMessage',
        params: sample('pong?', 16),
      })
      return textResult(`sampled ${answer.role}`)
    }
    if (inputResponse(context.mcpReq.inputResponses, 'llm_answer').kind === 'sampling')
      return textResult('sampled')
    return inputRequired({ inputRequests: { llm_answer: inputRequired.createMessage(sample('pong?', 16)) } })
  })
  add('test_input_required_result_elicitation', 'Asks for a name', (context) => {
    const name = acceptedContent(context.mcpReq.inputResponses, 'user_name')?.['name']
    return typeof name === 'string'
      ? textResult(`Hello, ${name}!`)
      : inputRequired({ inputRequests: { user_name: askText('What is your name?', 'name') } })
  })
  add('test_input_required_result_sampling', 'Asks a model', (context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, 'capital_question')
    return answer.kind === 'sampling'
      ? textResult(`The model said ${JSON.stringify(answer.result.content)}`)
      : inputRequired({
          inputRequests: {
            capital_question: inputRequired.createMessage(sample('What is the capital of France?', 100)),
          },
        })
  })
  add('test_input_required_result_list_roots', 'Asks for roots', (context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, 'client_roots')
    return answer.kind === 'roots'
      ? textResult(`Roots: ${answer.roots.map((root) => root.uri).join(' ')}`)
      : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
  })
  add('test_input_required_result_capabilities', 'Asks only for what the client can do', (context) =>
    askWithinCapabilities(server, context),
  )
  offerStatefulTools(add, states)
}

/** They ask by requests of their own in the legacy era, which has them, and in their result in the modern one. */
function offerPlainAskers(server: McpServer): void {
  server.registerTool(
    'test_sampling',
    { description: 'Asks a model', inputSchema: schemaOf({ prompt: { type: 'string' } }, ['prompt']) },
    async (args, context) => {
      const params = sample(String(args['prompt']), 100)
      const given = inputResponse(context.mcpReq.inputResponses, 'completion')
      if (context.mcpReq.envelope !== undefined && given.kind !== 'sampling') {
        return inputRequired({ inputRequests: { completion: inputRequired.createMessage(params) } })
      }
      const answer =
        given.kind === 'sampling'
          ? given.result
          : await context.mcpReq.send({ method: 'sampling/createMessage', params })
      const block = Array.isArray(answer.content) ? answer.content[0] : answer.content
      return textResult(`LLM response: ${block?.type === 'text' ? block.text : 'not a text'}`)
    },
  )
  const addForm = (name: string, message: (args: Record<string, unknown>) => string, form: FormSchema) =>
    server.registerTool(
      name,
      { description: 'Shows a form', inputSchema: schemaOf({ message: { type: 'string' } }) },
      async (args, context) => {
        const params = { message: message(args), requestedSchema: form }
        const given = inputResponse(context.mcpReq.inputResponses, 'form')
        if (context.mcpReq.envelope !== undefined && given.kind !== 'elicit') {
          return inputRequired({ inputRequests: { form: inputRequired.elicit(params) } })
        }
        const answer =
          given.kind === 'elicit'
            ? given
            : await context.mcpReq.send({ method: 'elicitation/create', params })
        const content = JSON.stringify(answer.content ?? {})
        return textResult(`Elicitation completed: action=${answer.action}, content=${content}`)
      },
    )
  addForm('test_elicitation', (args) => String(args['message']), userForm)
  addForm('test_elicitation_sep1034_defaults', () => 'Check the defaults', defaultsForm)
  addForm('test_elicitation_sep1330_enums', () => 'Choose', enumsForm)
}

function offerStatefulTools(
  add: (name: string, description: string, body: Body) => void,
  states: RoundStates,
): void {
  const seal = (tool: string, round: number, name?: string) =>
    states.mint({ tool, round, nonce: crypto.randomUUID(), ...(name !== undefined && { name }) })

  for (const tool of ['request_state', 'tampered_state']) {
    add(`test_input_required_result_${tool}`, 'Asks with a sealed state', async (context) => {
      const state = context.mcpReq.requestState<RoundState>()
      const confirmed = acceptedContent(context.mcpReq.inputResponses, 'confirm')
      if (state?.tool === tool && confirmed) return textResult('state-ok')
      return inputRequired({
        inputRequests: { confirm: askYes('Please confirm') },
        requestState: await seal(tool, 1),
      })
    })
  }
  add('test_input_required_result_multiple_inputs', 'Asks three things at once', async (context) => {
    const responses = context.mcpReq.inputResponses
    const name = acceptedContent(responses, 'user_name')?.['name']
    const greeting = inputResponse(responses, 'greeting')
    const roots = inputResponse(responses, 'client_roots')
    if (typeof name === 'string' && greeting.kind === 'sampling' && roots.kind === 'roots') {
      return textResult(`${name}: ${roots.roots.length} roots and a greeting`)
    }
    return inputRequired({
      inputRequests: {
        user_name: askText('What is your name?', 'name'),
        greeting: inputRequired.createMessage(sample('Generate a greeting', 50)),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await seal('multiple_inputs', 1),
    })
  })
  add('test_input_required_result_multi_round', 'Asks twice, one after the other', async (context) => {
    const state = context.mcpReq.requestState<RoundState>()
    const responses = context.mcpReq.inputResponses
    if (state?.round === 2) {
      return textResult(`${state.name} likes ${String(acceptedContent(responses, 'step2')?.['color'])}`)
    }
    if (state?.round === 1) {
      const name = String(acceptedContent(responses, 'step1')?.['name'])
      return inputRequired({
        inputRequests: { step2: askText('Step 2: What is your favorite color?', 'color') },
        requestState: await seal('multi_round', 2, name),
      })
    }
    return inputRequired({
      inputRequests: { step1: askText('Step 1: What is your name?', 'name') },
      requestState: await seal('multi_round', 1),
    })
  })
}

function askWithinCapabilities(server: McpServer, context: ServerContext): Answer {
  if (context.mcpReq.inputResponses !== undefined) return textResult('asked and answered')
  // The published type of the envelope names no members.
  const envelope = context.mcpReq.envelope as Record<string, ClientCapabilities | undefined> | undefined
  const declared = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.server.getClientCapabilities() ?? {}
  const inputRequests: InputRequests = {}
  if (declared.elicitation) inputRequests['user_name'] = askText('What is your name?', 'name')
  if (declared.sampling) {
    inputRequests['greeting'] = inputRequired.createMessage(sample('Generate a greeting', 50))
  }
  if (declared.roots) inputRequests['client_roots'] = inputRequired.listRoots()
  return Object.keys(inputRequests).length > 0
    ? inputRequired({ inputRequests })
    : textResult('this client can answer nothing')
}

function askText(message: string, field: string) {
  const properties = { [field]: { type: 'string' as const } }
  return inputRequired.elicit({ message, requestedSchema: { type: 'object', properties, required: [field] } })
}

function askYes(message: string) {
  const properties = { ok: { type: 'boolean' as const } }
  return inputRequired.elicit({ message, requestedSchema: { type: 'object', properties, required: ['ok'] } })
}

function sample(prompt: string, maxTokens: number) {
  return {
    messages: [{ role: 'user' as const, content: { type: 'text' as const, text: prompt } }],
    maxTokens,
  }
}
