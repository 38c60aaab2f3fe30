"""aws-c-auth, by its default chain: prints the key it would sign with."""

from awscrt import auth, io

bootstrap = io.ClientBootstrap(group := io.EventLoopGroup(1), io.DefaultHostResolver(group))
print(auth.AwsCredentialsProvider.new_default_chain(bootstrap).get_credentials().result(60).access_key_id)
