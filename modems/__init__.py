"""Talk to cellular modems over their AT ports: one channel, one driver a make, facts with units.

Where things are:
  modems.at.port.open_port      a tty on the event loop
  modems.at.channel.Channel     one command in flight, unsolicited lines apart
  modems.catalog                which driver serves which modem
  modems.driver.Driver          what a modem can be asked
  modems.facts, modems.errors   what comes back, what can go wrong
  modems.detect.udev.candidates the modems attached now
  modems.at.apdu                commands to the card in the modem
  modems.survey, modems.report  everything asked once, as one flat mapping with fixed names
  modems.recording              a session of the field as JSON, and its facts without the modem
  modems.transcript             conversations as text, played back without a modem
"""
