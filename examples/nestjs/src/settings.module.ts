import { Module } from '@nestjs/common'
import { optionsFromEnv } from '@org/realtime-server'

/** Token of the settings, which are `EnvironmentOptions`. */
export const SETTINGS = Symbol('settings')

/** Stands for the application's ConfigModule: reads the variables of the old module, and says which one is wrong. */
@Module({ providers: [{ provide: SETTINGS, useFactory: () => optionsFromEnv(process.env) }], exports: [SETTINGS] })
export class SettingsModule {}
