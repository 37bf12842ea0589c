/**
 * Whose the tasks are that members have begun for clients: a task stays with its member, and only its id says which
 * that is. Bounded; the oldest are forgotten.
 */
import { memberSpan, stringAt } from '../../protocol/jsonrpc.ts'

const tasksMax = 10_000
/** A task with a longer id is not found again. */
const taskIdCharsMax = 512

/** Two members have begun tasks under one id: no request can tell which is meant. */
const several = Symbol('several')

export class TaskOwners {
  readonly #servers = new Map<string, string | typeof several>()

  /** The member that has begun this task for whoever `client` stands for; null for one that nobody has. */
  of(client: string, taskId: string): string | null {
    const server = this.#servers.get(`${client} ${taskId}`)
    return typeof server === 'string' ? server : null
  }

  /** Notes the task that an answer to a call begins, if it begins one. */
  learn(client: string, server: string, answer: string): void {
    if (!answer.includes('"taskId"')) return
    const result = memberSpan(answer, 0, 'result')
    const task = result && (memberSpan(answer, result.start, 'task') ?? result)
    const id = task && memberSpan(answer, task.start, 'taskId')
    const taskId = id && stringAt(answer, id.start, id.end)
    if (taskId !== null) this.note(client, server, taskId)
  }

  note(client: string, server: string, taskId: string): void {
    if (taskId.length > taskIdCharsMax) return
    const key = `${client} ${taskId}`
    const known = this.#servers.get(key)
    this.#servers.delete(key)
    this.#servers.set(key, known === undefined || known === server ? server : several)
    for (const oldest of this.#servers.keys()) {
      if (this.#servers.size <= tasksMax) break
      this.#servers.delete(oldest)
    }
  }
}
