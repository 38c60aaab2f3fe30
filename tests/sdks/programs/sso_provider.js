// The SSO provider of the AWS SDK for JavaScript v3, for the profile "dev": prints what it found, or what it says.
const { fromSSO } = require('@aws-sdk/credential-provider-sso');
fromSSO({ profile: 'dev' })().then(
  (found) => console.log(JSON.stringify({ found })),
  (error) => console.log(JSON.stringify({ says: error.message })),
);
