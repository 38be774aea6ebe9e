// The official OpenAI package for Node: chat and responses, whole and in streams, tools, errors, cancelling.
import assert from 'node:assert/strict'
import OpenAI from 'openai'

const baseURL = `${process.env.LLMDECK_URL}/v1`
const client = new OpenAI({ baseURL, apiKey: process.env.LLMDECK_KEY, maxRetries: 0 })
const models = ['gpt', 'llama', 'glm']
const messages = [{ role: 'user', content: 'What are permits?' }]
const tool = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }
let failed = 0

async function check(name, body) {
  try {
    await body()
    console.log('ok', name)
  } catch (error) {
    console.log('FAILED', name, error)
    failed += 1
  }
}

async function text(model, options) {
  let all = ''
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true }, options)) {
    all += chunk.choices[0].delta.content ?? ''
  }
  return all
}

await check('whole and stream', async () => {
  for (const model of models) {
    const answer = await client.chat.completions.create({ model, messages })
    assert(answer.choices[0].message.content.length > 20 && answer.usage.total_tokens > 0)
    assert((await text(model)).length > 20)
  }
})

await check('tools', async () => {
  for (const model of models) {
    const asked = [{ role: 'user', content: 'Use get_weather for Paris' }]
    const { message } = (await client.chat.completions.create({ model, messages: asked, tools: [tool] })).choices[0]
    assert.equal(message.tool_calls[0].function.name, 'get_weather')
    const all = [...asked, message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '21 degrees' }]
    const last = await client.chat.completions.create({ model, messages: all, tools: [tool] })
    assert(last.choices[0].message.content.includes('21 degrees'))
  }
})

await check('responses', async () => {
  for (const model of models) {
    const answer = await client.responses.create({ model, input: 'What are permits?' })
    assert(answer.output_text.length > 20)
    let streamed = ''
    for await (const event of await client.responses.create({ model, input: 'What are permits?', stream: true })) {
      if (event.type === 'response.output_text.delta') streamed += event.delta
    }
    assert(streamed.length > 20)
  }
})

await check('errors have their classes', async () => {
  const ask = (model, from = client) => from.chat.completions.create({ model, messages })
  const wrong = new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 })
  const narrow = new OpenAI({ baseURL, apiKey: process.env.LLMDECK_NARROW_KEY, maxRetries: 0 })
  await assert.rejects(ask('gpt', wrong), OpenAI.AuthenticationError)
  await assert.rejects(ask('llama', narrow), OpenAI.PermissionDeniedError)
  await assert.rejects(ask('no-such-model'), OpenAI.NotFoundError)
  await assert.rejects(ask('limited'), OpenAI.RateLimitError)
  await assert.rejects(ask('broken'), OpenAI.InternalServerError)
  await assert.rejects(ask('crowded'), error => error instanceof OpenAI.InternalServerError && error.status === 503)
  await assert.rejects(client.chat.completions.create({ model: 'gpt', messages: 7 }), OpenAI.BadRequestError)
  await assert.rejects(text('cut'), OpenAI.APIError)
})

const upstream = async name => (await fetch(`${process.env.LLMDECK_UPSTREAMS}/${name}`)).json()

await check('a sick instance is not seen', async () => {
  for (let number = 0; number < 10; number += 1) assert((await text('pair')).length > 20)
})

await check('embeddings and models', async () => {
  for (const model of models) assert.equal((await client.embeddings.create({ model, input: ['one', 'two'], encoding_format: 'float' })).data.length, 2)
  // Without a format the package asks for base64 and decodes it itself.
  for (const model of models) assert.equal((await client.embeddings.create({ model, input: 'one' })).data[0].embedding.length, 8)
  assert((await client.models.list()).data.some(model => model.id === 'gpt'))
})

await check('cancelling and parallel streams', async () => {
  const before = await upstream('slow')
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 300)
  await text('slow', { signal: stop.signal }).catch(error => assert(error instanceof OpenAI.APIUserAbortError))
  assert(stop.signal.aborted)
  const begun = Date.now()
  for (;;) {
    const now = await upstream('slow')
    if (now.disconnects > before.disconnects && now.in_flight === 0) break
    assert(Date.now() - begun < 5000, 'the upstream request goes on')
    await new Promise(wake => setTimeout(wake, 5))
  }
  const lengths = await Promise.all(Array.from({ length: 30 }, (_, number) => text(models[number % 3])))
  assert(lengths.every(all => all.length > 20))
})

process.exit(failed ? 1 : 0)
