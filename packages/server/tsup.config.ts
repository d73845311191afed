import { packageConfig } from '../../tsup.base.js'

export default packageConfig(['src/index.ts', 'src/opentelemetry.ts', 'src/redis/index.ts'])
