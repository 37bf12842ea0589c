/** URI templates of resources (RFC 6570), as far as a form needs them: which variables there are, and the URI that they make. */

const expression = /\{([+#./;?&]?)([^{}]+)\}/g

interface Operator {
  readonly first: string
  readonly between: string
  readonly named: boolean
  /** Whether characters with a meaning in URIs stay as they are. */
  readonly reserved: boolean
}

const operators: Readonly<Record<string, Operator>> = {
  '': { first: '', between: ',', named: false, reserved: false },
  '+': { first: '', between: ',', named: false, reserved: true },
  '#': { first: '#', between: ',', named: false, reserved: true },
  '.': { first: '.', between: '.', named: false, reserved: false },
  '/': { first: '/', between: '/', named: false, reserved: false },
  ';': { first: ';', between: ';', named: true, reserved: false },
  '?': { first: '?', between: '&', named: true, reserved: false },
  '&': { first: '&', between: '&', named: true, reserved: false },
}

const variablesMax = 32

/** The names in a template, each once. */
export function variablesOf(template: string): readonly string[] {
  const names = [...template.matchAll(expression)].flatMap(([, , list = '']) => list.split(',').map(nameOf))
  return [...new Set(names)].slice(0, variablesMax)
}

/** The URI with these values; a variable without one is left out. */
export function expanded(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(expression, (_whole, sign: string, list: string) => {
    const { first, between, named, reserved } = operators[sign] ?? {
      first: '',
      between: ',',
      named: false,
      reserved: false,
    }
    const parts = list.split(',').flatMap((variable) => {
      const name = nameOf(variable)
      const value = Object.hasOwn(values, name) ? (values[name] ?? '') : ''
      if (value === '') return []
      const text = reserved ? encodeURI(value).replaceAll('%25', '%') : encoded(value)
      return [named ? `${name}=${text}` : text]
    })
    return parts.length === 0 ? '' : first + parts.join(between)
  })
}

/** Without the modifiers for lists and prefixes. */
function nameOf(variable: string): string {
  return variable.replace(/(?:\*|:\d+)$/, '').trim()
}

function encoded(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
