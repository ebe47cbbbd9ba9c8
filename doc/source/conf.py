# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""How the documents are built: ``tox -e docs``."""

import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '_exts'))
sys.path.insert(0, os.path.join(HERE, '..', '..'))

# Before the options of oslo.messaging are listed: our package chooses threads
# for the process, the library alone would choose otherwise.
importlib.import_module('watcher')

extensions = [
    'openstackdocstheme',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
    'oslo_policy.sphinxext',
    'oslo_policy.sphinxpolicygen',
    'notification_samples',
    'state_machines',
]

project = 'watcher'
copyright = 'Watcher developers'
master_doc = 'index'
exclude_patterns = []

openstackdocs_repo_name = 'openstack/watcher'
openstackdocs_pdf_link = False
openstackdocs_bug_project = 'watcher'
openstackdocs_bug_tag = ''

html_theme = 'openstackdocs'
html_static_path = ['_static']
pygments_style = 'native'

_generators = os.path.join(HERE, '..', '..', 'etc', 'watcher')
config_generator_config_file = [(
    os.path.join(_generators, 'oslo-config-generator', 'watcher.conf'),
    '_static/watcher')]
policy_generator_config_file = [(
    os.path.join(_generators, 'oslo-policy-generator',
                 'watcher-policy-generator.conf'),
    '_static/watcher')]
sample_config_basename = '_static/watcher'
sample_policy_basename = '_static/watcher'
