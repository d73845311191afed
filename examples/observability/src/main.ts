import { startApp } from './app.js'
import { startTraffic } from './traffic.js'

const app = await startApp(Number(process.env['WS_PORT'] ?? 3000))
const endTraffic = await startTraffic(app)
console.log(`Metrics on http://localhost:${app.port}/metrics, of a server and three clients. Ctrl-C ends it.`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endTraffic()
    void app.close()
  })
}
